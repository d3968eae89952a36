"""Adapters and base precision from the command line to the file."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.llama_judge import read_metadata, read_tensors
from support.tiny_model import Shape, write_adapter, write_checkpoint, write_safetensors
from support.tiny_tokenizers import write_byte_level

from convert.checkpoint import open_adapter, open_folder
from convert.merging import AdapterChoice, parse_choice
from convert.nf4 import round_trip

Command = Callable[..., int]
Refused = Callable[..., str]
EMBEDDING, HEAD = "base_model.model.model.embed_tokens", "base_model.model.lm_head"


def edit(folder: Path, **settings: object) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


def add(folder: Path, **tensors: NDArray[np.float32]) -> None:
    source = open_adapter(folder)
    kept = {name: source.read(name).copy() for name in source.tensors}
    write_safetensors(folder / "adapter_model.safetensors", kept | tensors, "F32")


def values(path: Path, name: str) -> NDArray[np.float32]:
    _, shape, data = read_tensors(path)[name]
    return np.frombuffer(data, np.float32).reshape(shape)


@pytest.fixture
def gguf(command: Command, out: Path) -> Callable[..., Path]:
    """Convert to F32 and return the file."""

    def convert(base: Path, *arguments: object) -> Path:
        assert (
            command("gguf", base, "--type", "F32", "--out", out, "--overwrite", "--progress", "none", *arguments) == 0
        )
        return out

    return convert


def test_an_adapter_may_be_named_with_its_weight(tmp_path: Path) -> None:
    (tmp_path / "odd:2").mkdir()
    assert parse_choice("a/b") == AdapterChoice(Path("a/b"))
    assert parse_choice("a/b:0.5") == AdapterChoice(Path("a/b"), 0.5)
    assert parse_choice("C:\\adapters") == AdapterChoice(Path("C:\\adapters"))
    assert parse_choice(str(tmp_path / "odd:2")) == AdapterChoice(tmp_path / "odd:2")
    with pytest.raises(ValueError, match="nan"):
        parse_choice("a:nan")


def test_several_adapters_are_added_by_weight_and_told_apart(
    base: Path, tmp_path: Path, gguf: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    factors = write_adapter(tmp_path / "one", seed=1), write_adapter(tmp_path / "two", seed=2)
    write_adapter(tmp_path / "dead")
    source = open_adapter(tmp_path / "dead")
    zeros = {name: np.zeros(info.shape, np.float32) for name, info in source.tensors.items() if "lora_B" in name}
    add(tmp_path / "dead", **zeros)
    chosen = [f"{tmp_path / 'one'}:0.5", f"{tmp_path / 'two'}:-1", tmp_path / "dead"]
    path = gguf(base, *(part for choice in chosen for part in ("--adapter", choice)))
    name = "model.layers.1.mlp.up_proj.weight"
    (a1, b1), (a2, b2) = (adapter[name] for adapter in factors)
    expected = open_folder(base).read(name) + 2 * (0.5 * b1 @ a1 - b2 @ a2)
    np.testing.assert_allclose(values(path, "blk.1.ffn_up.weight"), expected, rtol=1e-5, atol=1e-5)
    said = capfd.readouterr().out
    assert "Change by one, by layer: 0 " in said
    assert "Change by dead, by layer: 0 0, 1 0; it changes nothing." in said
    assert read_metadata(path)["general.name"] == "Tiny + one + two + dead"


def test_a_base_that_goes_by_another_name_is_a_notice(
    base: Path, own_adapter: Path, gguf: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    gguf(base, "--adapter", own_adapter)
    assert "Note:" not in capfd.readouterr().out
    edit(own_adapter, base_model_name_or_path="somebody/else-7b")
    gguf(base, "--adapter", own_adapter)
    assert "Note: the adapter own-adapter names somebody/else-7b as its base" in capfd.readouterr().out


def test_an_index_that_states_another_size_is_a_notice(
    tmp_path: Path, gguf: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    write_checkpoint(tmp_path / "shards", shards=2)
    gguf(tmp_path / "shards")
    assert "Note:" not in capfd.readouterr().out
    path = tmp_path / "shards" / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    path.write_text(json.dumps(index | {"metadata": {"total_size": 17}}))
    gguf(tmp_path / "shards")
    assert "states 17 bytes" in capfd.readouterr().out


def test_the_base_is_rounded_to_four_bits_in_its_linear_layers_alone(
    tmp_path: Path, own_adapter: Path, gguf: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    base = tmp_path / "half"
    write_checkpoint(base, dtype="BF16")
    checkpoint, adapter = open_folder(base), open_adapter(own_adapter)
    names = {"model.embed_tokens.weight": "token_embd.weight", "lm_head.weight": "output.weight"}
    plain = values(gguf(base, "--adapter", own_adapter), "blk.0.ffn_gate.weight").copy()
    (own_adapter / "quietroom_recipe.json").write_text('{"base_precision": "nf4"}')
    path = gguf(base, "--adapter", own_adapter)
    assert "base rounded to NF4 in 14" in capfd.readouterr().out
    for source, name in names.items():
        np.testing.assert_array_equal(values(path, name), checkpoint.read(source))
    source = "model.layers.0.mlp.gate_proj"
    weight = checkpoint.read(f"{source}.weight")
    a, b = (adapter.read(f"base_model.model.{source}.lora_{side}.weight") for side in "AB")
    expected = round_trip(checkpoint, f"{source}.weight")(weight, 0) + 2 * b @ a
    np.testing.assert_allclose(values(path, "blk.0.ffn_gate.weight"), expected, rtol=1e-5, atol=1e-6)
    asked = values(gguf(base, "--adapter", own_adapter, "--base-precision", "as-is"), "blk.0.ffn_gate.weight")
    np.testing.assert_array_equal(asked, plain)
    assert np.abs(asked - expected).max() > 0.001


def test_a_layer_that_was_trained_in_full_was_never_in_four_bits(
    base: Path, own_adapter: Path, gguf: Callable[..., Path]
) -> None:
    source = open_adapter(own_adapter)
    module = "model.layers.1.mlp.up_proj"
    kept = {name: source.read(name).copy() for name in source.tensors if module not in name}
    trained = np.random.default_rng(4).standard_normal((96, 64), np.float32)
    whole = {f"base_model.model.{module}.weight": trained}
    write_safetensors(own_adapter / "adapter_model.safetensors", kept | whole, "F32")
    edit(own_adapter, modules_to_save=[module])
    path = gguf(base, "--adapter", own_adapter, "--base-precision", "nf4")
    np.testing.assert_array_equal(values(path, "blk.1.ffn_up.weight"), trained)


def test_a_base_precision_that_is_not_known_is_refused(base: Path, own_adapter: Path, refused: Refused) -> None:
    (own_adapter / "quietroom_recipe.json").write_text('{"base_precision": "int3"}')
    assert "int3" in refused(base, "--adapter", own_adapter)


def test_an_embedding_that_was_the_head_gets_its_own_head_when_trained_alone(
    tmp_path: Path, gguf: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    weights = write_checkpoint(tmp_path / "tiny", Shape(tied=True))
    write_adapter(tmp_path / "a")
    random = np.random.default_rng(1)
    a, b = random.standard_normal((4, 399), np.float32), random.standard_normal((64, 4), np.float32)
    add(tmp_path / "a", **{f"{EMBEDDING}.lora_embedding_A": a, f"{EMBEDDING}.lora_embedding_B": b})
    path = gguf(tmp_path / "tiny", "--adapter", tmp_path / "a")
    before = weights["model.embed_tokens.weight"]
    np.testing.assert_allclose(values(path, "token_embd.weight"), before + 2 * (b @ a).T, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(values(path, "output.weight"), before)
    said = capfd.readouterr().out
    assert "written apart" in said
    assert re.search(r"by layer: embed_tokens \d+", said)


def grown(tmp_path: Path, rows: int) -> Path:
    """An adapter for a model whose vocabulary was enlarged to `rows`, without its tokenizer."""
    folder = tmp_path / "grown"
    write_adapter(folder)
    random = np.random.default_rng(2)
    names = (f"{EMBEDDING}.weight", f"{HEAD}.weight")
    add(folder, **{name: random.standard_normal((rows, 64), np.float32) for name in names})
    return folder


def with_new_token(folder: Path, text: str) -> None:
    write_byte_level(folder, 0)
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["added_tokens"].append({"id": 399, "content": text, "special": True, "normalized": False})
    path.write_text(json.dumps(tokenizer))


def test_a_vocabulary_that_grew_comes_with_its_tokenizer(base: Path, tmp_path: Path, gguf: Callable[..., Path]) -> None:
    folder = grown(tmp_path, 402)
    with_new_token(folder, "<|calm|>")
    path = gguf(base, "--adapter", folder)
    tokens = read_metadata(path)["tokenizer.ggml.tokens"]
    assert isinstance(tokens, list)
    assert len(tokens) == 402
    assert tokens[399:] == ["<|calm|>", "[PAD400]", "[PAD401]"]
    assert read_metadata(path)["llama.vocab_size"] == 402
    np.testing.assert_array_equal(values(path, "output.weight"), open_adapter(folder).read(f"{HEAD}.weight"))


def test_rows_without_their_tokens_and_tokens_without_their_rows_are_refused(
    base: Path, own_adapter: Path, tmp_path: Path, refused: Refused
) -> None:
    said = refused(base, "--adapter", grown(tmp_path, 402))
    assert "402 rows" in said
    assert "the base has 399" in said
    with_new_token(own_adapter, "<|calm|>")
    said = refused(base, "--adapter", own_adapter)
    assert "400 tokens" in said
    assert "399 rows" in said


def test_embedding_and_head_of_different_sizes_are_refused(base: Path, tmp_path: Path, refused: Refused) -> None:
    folder = grown(tmp_path, 402)
    shutil.copy(base / "tokenizer.json", folder)
    add(folder, **{f"{HEAD}.weight": np.zeros((400, 64), np.float32)})
    said = refused(base, "--adapter", folder)
    assert "400 x 64" in said
    assert "402 x 64" in said
