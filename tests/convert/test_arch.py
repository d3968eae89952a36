import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.llama_judge import Llama
from support.tiny_model import DEFAULT, Shape, write_checkpoint

from convert.arch import ARCHITECTURES, describe
from convert.arch.general import general_metadata
from convert.arch.rotation import interleave_halves
from convert.checkpoint import open_folder
from convert.errors import ConvertError
from convert.pipeline import Report

Array = NDArray[np.floating[Any]]


def config_of(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return config


def forward(weights: Mapping[str, Array], shape: Shape, tokens: Sequence[int]) -> Array:
    """Llama as Hugging Face lays it out: logits (tokens x vocabulary), written for this test alone."""
    dim = shape.width // shape.heads
    angles = np.outer(np.arange(len(tokens)), 10000.0 ** (-np.arange(0, dim, 2) / dim))
    cos, sin = (np.tile(wave(angles), 2)[:, None, :] for wave in (np.cos, np.sin))
    mask = np.triu(np.full((len(tokens), len(tokens)), -np.inf), 1)

    def norm(x: Array, name: str) -> Array:
        scaled: Array = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) * weights[f"{name}.weight"]
        return scaled

    def project(x: Array, name: str) -> Array:
        projected: Array = x @ weights[f"{name}.weight"].T
        return projected

    def rotate(x: Array) -> Array:
        turned: Array = x * cos + np.concatenate([-x[..., dim // 2 :], x[..., : dim // 2]], -1) * sin
        return turned

    x = weights["model.embed_tokens.weight"][list(tokens)].astype(np.float64)
    for layer in range(shape.layers):
        prefix = f"model.layers.{layer}"
        h = norm(x, f"{prefix}.input_layernorm")
        q, k, v = (project(h, f"{prefix}.self_attn.{n}_proj").reshape(len(tokens), -1, dim) for n in "qkv")
        group = shape.heads // shape.kv_heads
        q, k, v = rotate(q), np.repeat(rotate(k), group, 1), np.repeat(v, group, 1)
        scores = np.einsum("thd,shd->hts", q, k) / np.sqrt(dim) + mask
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        attended = np.einsum("hts,shd->thd", shares, v).reshape(len(tokens), -1)
        x = x + project(attended, f"{prefix}.self_attn.o_proj")
        h = norm(x, f"{prefix}.post_attention_layernorm")
        gate = project(h, f"{prefix}.mlp.gate_proj")
        inner = gate / (1 + np.exp(-gate)) * project(h, f"{prefix}.mlp.up_proj")
        x = x + project(inner, f"{prefix}.mlp.down_proj")
    head = "model.embed_tokens" if shape.tied else "lm_head"
    return project(norm(x, "model.norm"), head)


@pytest.mark.parametrize("shape", [DEFAULT, Shape(heads=2, kv_heads=1, tied=True), Shape(heads=4, kv_heads=4)])
def test_llama_computes_what_the_checkpoint_means(
    tmp_path: Path, shape: Shape, out: Path, convert: Callable[..., Report], llama: Llama
) -> None:
    weights = write_checkpoint(tmp_path / "tiny", shape)
    convert(tmp_path / "tiny", "F32")
    tokens = [5, 70, 300, 12, 12, 201, 390]
    # llama.cpp keeps keys and values in 16 bits, hence the tolerance; a wrong order of rows is off by over 1.
    np.testing.assert_allclose(llama.logits(out, tokens), forward(weights, shape, tokens), atol=0.02)


@pytest.mark.parametrize(("heads", "dim"), [(1, 2), (4, 8), (3, 64)])
def test_rows_that_rotate_together_lie_side_by_side(heads: int, dim: int) -> None:
    rows = np.arange(heads * dim, dtype=np.float32)
    placed = interleave_halves(heads, rows[:, None])[:, 0]
    pairs = placed.reshape(heads, dim // 2, 2)
    np.testing.assert_array_equal(pairs[..., 1] - pairs[..., 0], dim // 2)
    np.testing.assert_array_equal(pairs[..., 0].ravel(), rows.reshape(heads, dim)[:, : dim // 2].ravel())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_architecture_says_what_it_lacks(name: str) -> None:
    with pytest.raises(ConvertError, match=r"config\.json"):
        describe({"architectures": [name]}, {})


@pytest.mark.parametrize("architectures", [["GPTBigCodeForCausalLM"], [], "Llama", None, [5]])
def test_an_unknown_architecture_is_refused(base: Path, architectures: object) -> None:
    with pytest.raises(ConvertError, match="architecture"):
        describe(config_of(base) | {"architectures": architectures}, {})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rope_scaling": {"rope_type": "dynamic", "factor": 8.0}}, "dynamic"),
        ({"rope_scaling": {"type": "linear"}}, "factor"),
        ({"rope_scaling": "linear"}, "rope_scaling"),
        ({"rope_scaling": {"rope_type": "llama3", "low_freq_factor": 4.0}}, "low_freq_factor"),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 2.0}}, "original_max_position_embeddings"),
        ({"architectures": ["Qwen2ForCausalLM"], "rope_scaling": {"rope_type": "llama3"}}, "Llama 3.1"),
        ({"architectures": ["Qwen2ForCausalLM"], "use_sliding_window": True}, "use_sliding_window"),
        ({"architectures": ["Qwen2ForCausalLM"], "head_dim": 16}, "head_dim"),
        ({"architectures": ["Qwen3ForCausalLM"], "attention_bias": True}, "attention_bias"),
        ({"architectures": ["BertModel"], "hidden_act": "relu"}, "relu"),
        ({"architectures": ["BertModel"], "hidden_act": "gelu", "position_embedding_type": "r"}, "position_embedding"),
        ({"architectures": ["BertModel"], "hidden_act": "gelu", "num_attention_heads": 7}, "impossible"),
        ({"hidden_act": "gelu"}, "gelu"),
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, "quantized already"),
        ({"hidden_size": 0}, "hidden_size"),
        ({"hidden_size": "64"}, "hidden_size"),
        ({"num_hidden_layers": True}, "num_hidden_layers"),
        ({"intermediate_size": None}, "intermediate_size"),
        ({"rms_norm_eps": float("inf")}, "rms_norm_eps"),
        ({"rope_theta": -1}, "rope_theta"),
        ({"rope_theta": 1e39}, "rope_theta"),
        ({"num_hidden_layers": 2**31 - 1}, "2147483647 layers"),
        ({"num_key_value_heads": 3}, "impossible"),
        ({"head_dim": 15}, "impossible"),
    ],
)
def test_a_setting_that_is_not_supported_is_refused_by_name(
    base: Path, settings: dict[str, object], words: str
) -> None:
    with pytest.raises(ConvertError, match=words):
        describe(config_of(base) | settings, open_folder(base).tensors)


def test_the_rotation_is_read_where_transformers_5_keeps_it(base: Path) -> None:
    config = config_of(base)
    del config["rope_theta"]
    config["rope_parameters"] = {"rope_type": "default", "rope_theta": 500000.0}
    assert describe(config, open_folder(base).tensors).metadata["llama.rope.freq_base"] == 500000.0


def test_the_vocabulary_has_as_many_tokens_as_the_embedding_has_rows(base: Path) -> None:
    tensors = open_folder(base).tensors
    model = describe(config_of(base) | {"vocab_size": 7}, tensors)
    assert model.vocab_size == model.metadata["llama.vocab_size"] == tensors["lm_head.weight"].shape[0]


def test_a_mistral_states_the_length_of_its_heads_only_when_its_config_does(base: Path) -> None:
    # As transformers' settings classes fill them in, which llama.cpp's converter reads.
    tensors, config = open_folder(base).tensors, config_of(base)
    assert describe(config, tensors).metadata["llama.attention.key_length"] == 16
    config["architectures"] = ["MistralForCausalLM"]
    assert "llama.attention.key_length" not in describe(config, tensors).metadata
    assert describe(config | {"head_dim": 16}, tensors).metadata["llama.attention.key_length"] == 16


def test_a_window_that_llama_cpp_does_not_keep_is_told(base: Path) -> None:
    tensors = open_folder(base).tensors
    config = config_of(base) | {"architectures": ["MistralForCausalLM"], "max_position_embeddings": 8192}
    assert "4096 tokens" in describe(config, tensors).notices[0]
    assert describe(config | {"sliding_window": None}, tensors).notices == ()
    assert describe(config | {"max_position_embeddings": 4096}, tensors).notices == ()


def test_sampling_settings_are_carried_over_when_they_are_numbers() -> None:
    generation = {"temperature": 0.6, "top_p": 1, "top_k": 50, "min_p": "none", "do_sample": True}
    metadata = general_metadata("llama", "tiny", 134_515_008, 7, generation, {}, {})
    sampling = {key: value for key, value in metadata.items() if "sampling" in key}
    assert sampling == {
        "general.sampling.temp": 0.6, "general.sampling.top_p": 1.0, "general.sampling.top_k": np.int32(50)
    }  # fmt: skip
    assert isinstance(metadata["general.sampling.top_k"], np.int32)
    assert metadata["general.size_label"] == "135M"
    assert metadata["general.file_type"] == 7
