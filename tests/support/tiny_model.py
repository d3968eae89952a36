"""A real Llama checkpoint and a real adapter, tiny and always the same, with numpy alone; never downloaded.

The model has something to say: each token's head row is the embedding of the token that comes before it in
SPEECH, so that a greedy answer walks through that text as long as one listens, four-byte letters included.
Control tokens have the embedding zero and are never the likeliest. Its weights are random otherwise.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from support.tiny_tokenizers import write_byte_level, write_sentencepiece

from convert.pipeline import Job, make_plan, run
from convert.progress import Silent

Array = NDArray[np.float32]

SPEECH = " i hear you and am here with it 🙂. we can begin again,é日; not alone there is no hurry now."
TARGETS = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)
RANK, ALPHA = 4, 8


@dataclass(frozen=True)
class Shape:
    """The size of a tiny model; `filler` is how many embedding rows it has beyond its tokens."""

    layers: int = 2
    width: int = 64
    inner: int = 96
    heads: int = 4
    kv_heads: int = 2
    filler: int = 0
    tied: bool = False
    tokenizer: Literal["byte-level", "sentencepiece"] = "byte-level"


DEFAULT = Shape()


def write_checkpoint(folder: Path, shape: Shape = DEFAULT, dtype: str = "F32", shards: int = 1) -> dict[str, Array]:
    """Write a checkpoint into `folder` (made if need be); return its weights as stored, in float32."""
    folder.mkdir(parents=True, exist_ok=True)
    write = write_byte_level if shape.tokenizer == "byte-level" else write_sentencepiece
    tokens = write(folder, shape.filler)
    (folder / "config.json").write_text(json.dumps(_config(shape, len(tokens)), indent=1))
    weights = _weights(shape, tokens)
    stored = {name: encode(values, dtype) for name, values in weights.items()}
    names = list(weights)
    if shards == 1:
        write_safetensors(folder / "model.safetensors", stored, dtype)
    else:
        places = {}
        for number in range(shards):
            file = f"model-{number + 1:05}-of-{shards:05}.safetensors"
            mine = names[number::shards]
            write_safetensors(folder / file, {name: stored[name] for name in mine}, dtype)
            places.update(dict.fromkeys(mine, file))
        index = {"metadata": {"total_size": sum(s.nbytes for s in stored.values())}, "weight_map": places}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return {name: decode(values, dtype) for name, values in stored.items()}


def write_adapter(folder: Path, shape: Shape = DEFAULT, seed: int = 7) -> dict[str, tuple[Array, Array]]:
    """Write a PEFT adapter for `shape` on all seven linear layers; return (A, B) by the weight's name."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    factors = {}
    for name, (rows, columns) in linear_shapes(shape).items():
        a = random.standard_normal((RANK, columns), np.float32) / np.float32(np.sqrt(columns))
        b = random.standard_normal((rows, RANK), np.float32) * np.float32(0.2)
        factors[name] = (a, b)
    stored = {}
    for name, (a, b) in factors.items():
        module = f"base_model.model.{name.removesuffix('.weight')}"
        stored[f"{module}.lora_A.weight"], stored[f"{module}.lora_B.weight"] = a, b
    write_safetensors(folder / "adapter_model.safetensors", stored, "F32")
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "tiny",
        "inference_mode": True,
        "r": RANK,
        "lora_alpha": ALPHA,
        "lora_dropout": 0.05,
        "bias": "none",
        "fan_in_fan_out": False,
        "target_modules": sorted(target.split(".")[1] for target in TARGETS),
        "modules_to_save": None,
        "init_lora_weights": True,
        "use_rslora": False,
        "use_dora": False,
        "rank_pattern": {},
        "alpha_pattern": {},
        "layers_to_transform": None,
        "megatron_config": None,
        "megatron_core": "megatron.core",
        "loftq_config": {},
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return factors


def tiny_gguf(path: Path, recipe: str = "Q8_0", shape: Shape = DEFAULT) -> Path:
    """Write the tiny model as GGUF to `path`, by the converter itself, and return `path`."""
    with TemporaryDirectory() as folder:
        write_checkpoint(Path(folder) / "tiny", shape)
        run(make_plan(Job(Path(folder) / "tiny", (), recipe, path, overwrite=True)), Silent())
    return path


def linear_shapes(shape: Shape) -> dict[str, tuple[int, int]]:
    """The shapes (out, in) of the linear weights, by name."""
    width, inner = shape.width, shape.inner
    key = shape.kv_heads * (width // shape.heads)
    sizes = (
        (width, width),
        (key, width),
        (key, width),
        (width, width),
        (inner, width),
        (inner, width),
        (width, inner),
    )
    return {
        f"model.layers.{layer}.{target}.weight": size
        for layer in range(shape.layers)
        for target, size in zip(TARGETS, sizes, strict=True)
    }


def encode(values: Array, dtype: str) -> NDArray[np.generic]:
    """Return float32 values as they are stored in F32, F16 or BF16 (cut off, as bit patterns)."""
    if dtype == "BF16":
        return (values.view(np.uint32) >> 16).astype(np.uint16)
    return values.astype(np.float16 if dtype == "F16" else np.float32)


def decode(stored: NDArray[np.generic], dtype: str) -> Array:
    """Return the float32 values of what `encode` gave."""
    if dtype == "BF16":
        return (stored.astype(np.uint32) << 16).view(np.float32)
    return stored.astype(np.float32)


def write_safetensors(path: Path, tensors: Mapping[str, NDArray[np.generic]], dtype: str) -> None:
    """Write `tensors`, all of one dtype, as a safetensors file."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    position = 0
    for name, values in tensors.items():
        offsets = [position, position + values.nbytes]
        header[name] = {"dtype": dtype, "shape": list(values.shape), "data_offsets": offsets}
        position += values.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for values in tensors.values():
            file.write(np.ascontiguousarray(values).tobytes())


def _config(shape: Shape, vocab_size: int) -> dict[str, object]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "torch_dtype": "float32",
        "hidden_size": shape.width,
        "intermediate_size": shape.inner,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "vocab_size": vocab_size,
        "max_position_embeddings": 2048,
        "rope_theta": 10000.0,
        "rope_scaling": None,
        "rms_norm_eps": 1e-5,
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": shape.tied,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }


def _weights(shape: Shape, tokens: Sequence[bytes]) -> dict[str, Array]:
    random = np.random.default_rng(42)

    def normal(rows: int, columns: int, scale: float) -> Array:
        return random.standard_normal((rows, columns), np.float32) * np.float32(scale)

    embedding = normal(len(tokens), shape.width, 1.0)
    embedding[[number for number, text in enumerate(tokens) if not text]] = 0
    head = normal(len(tokens), shape.width, 0.02)
    speech = _speech(tokens)
    # Scaled so that the next token of the speech is the likeliest by far at any usual temperature.
    head[speech] = embedding[np.roll(speech, 1)] * np.float32(16 / shape.width)
    head[[number for number, text in enumerate(tokens) if not text]] = 0
    weights = {"model.embed_tokens.weight": embedding}
    for name, (rows, columns) in linear_shapes(shape).items():
        weights[name] = normal(rows, columns, 0.4 / np.sqrt(columns))
    for layer in range(shape.layers):
        for norm in ("input_layernorm", "post_attention_layernorm"):
            weights[f"model.layers.{layer}.{norm}.weight"] = 1 + normal(1, shape.width, 0.05)[0]
    weights["model.norm.weight"] = 1 + normal(1, shape.width, 0.05)[0]
    if not shape.tied:
        weights["lm_head.weight"] = head
    return weights


def _speech(tokens: Sequence[bytes]) -> list[int]:
    """Return SPEECH as token numbers, the longest token first, each at its first place only."""
    numbers = {text: number for number, text in enumerate(tokens) if text}
    text = SPEECH.encode()
    speech: list[int] = []
    while text:
        length = max(length for length in range(1, len(text) + 1) if text[:length] in numbers)
        speech.append(numbers[text[:length]])
        text = text[length:]
    return list(dict.fromkeys(speech))
