from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.llama_judge import Llama, read_metadata, read_tensors
from support.tiny_model import ALPHA, RANK, SPEECH, Shape, tiny_gguf, write_adapter, write_checkpoint, write_safetensors

from convert.checkpoint import open_folder
from convert.pipeline import Job, Report, make_plan
from convert.quant.recipes import RECIPES

Convert = Callable[..., Report]
TOKENS = [5, 70, 300, 12, 12, 201, 390, 44]


def merged_by_hand(base: Path, adapter: Path, folder: Path) -> Path:
    """Write the checkpoint with the adapter merged in float32, by the formula and nothing of ours."""
    folder.mkdir()
    for file in base.iterdir():
        if file.suffix == ".json":
            (folder / file.name).write_bytes(file.read_bytes())
    weights = {name: open_folder(base).read(name).copy() for name in open_folder(base).tensors}
    for name, (a, b) in write_adapter(adapter).items():
        weights[name] = weights[name] + np.float32(ALPHA / RANK) * np.matmul(b, a)
    write_safetensors(folder / "model.safetensors", weights, "F32")
    return folder


def test_the_adapter_changes_the_model_as_a_merge_by_hand_does(
    base: Path, own_adapter: Path, tmp_path: Path, convert: Convert, llama: Llama
) -> None:
    paths = {name: tmp_path / f"{name}.gguf" for name in ("base", "adapted", "by hand")}
    convert(base, "F32", path=paths["base"])
    report = convert(base, "F32", adapter=own_adapter, path=paths["adapted"])
    convert(merged_by_hand(base, own_adapter, tmp_path / "merged"), "F32", path=paths["by hand"])
    assert report.merged == 14
    plain, adapted, by_hand = (llama.logits(path, TOKENS) for path in paths.values())
    assert np.abs(adapted - plain).max() > 0.5
    np.testing.assert_allclose(adapted, by_hand, atol=1e-4)
    ours, theirs = read_tensors(paths["adapted"]), read_tensors(paths["by hand"])
    for name, (kind, shape, data) in theirs.items():
        assert ours[name][:2] == (kind, shape)
        np.testing.assert_allclose(
            np.frombuffer(ours[name][2], np.float32), np.frombuffer(data, np.float32), rtol=1e-6, atol=1e-6
        )


def test_the_sum_is_quantized_from_float32(
    base: Path, own_adapter: Path, tmp_path: Path, convert: Convert, llama: Llama
) -> None:
    whole, direct = tmp_path / "whole.gguf", tmp_path / "direct.gguf"
    convert(base, "F32", adapter=own_adapter, path=whole)
    for recipe in RECIPES.values():
        convert(base, recipe.name, adapter=own_adapter, path=direct.with_name(f"{recipe.name}.gguf"))
        quantized = llama.quantize(whole, recipe.file_type)
        assert read_tensors(direct.with_name(f"{recipe.name}.gguf")) == read_tensors(quantized)


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
def test_shards_change_nothing_but_their_own_names_and_hashes(tmp_path: Path, convert: Convert, dtype: str) -> None:
    paths = []
    for shards in (1, 2, 5):
        folder = tmp_path / str(shards) / "tiny"
        write_checkpoint(folder, dtype=dtype, shards=shards)
        paths.append(tmp_path / f"{shards}.gguf")
        convert(folder, "Q8_0", path=paths[-1])
    assert all(read_tensors(path) == read_tensors(paths[0]) for path in paths)
    first, second, third = (read_metadata(path) for path in paths)
    different = {key for key in first if not first[key] == second[key] == third[key]}
    assert different == {"quietroom.base.files", "quietroom.base.sha256"}


def test_the_number_of_threads_changes_no_byte(base: Path, adapter: Path, tmp_path: Path, convert: Convert) -> None:
    for threads in (1, 4):
        convert(base, "Q4_0", adapter=adapter, path=tmp_path / f"{threads}.gguf", threads=threads)
    assert (tmp_path / "1.gguf").read_bytes() == (tmp_path / "4.gguf").read_bytes()


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_plan_knows_the_size_to_the_byte(base: Path, out: Path, recipe: str, convert: Convert) -> None:
    planned = make_plan(Job(base, (), recipe, out)).layout.size
    assert list(out.parent.iterdir()) == []
    report = convert(base, recipe)
    assert report.size == planned == out.stat().st_size


def test_the_metadata_describes_the_model(base: Path, adapter: Path, out: Path, convert: Convert) -> None:
    convert(base, "Q4_0", adapter=adapter)
    expected = {
        "general.architecture": "llama", "general.type": "model", "general.name": "Tiny + calm",
        "general.file_type": 2, "general.quantization_version": 2, "llama.block_count": 2,
        "llama.context_length": 2048, "llama.embedding_length": 64, "llama.feed_forward_length": 96,
        "llama.attention.head_count": 4, "llama.attention.head_count_kv": 2, "llama.rope.dimension_count": 16,
        "llama.rope.freq_base": 10000.0, "llama.vocab_size": 399, "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
    }  # fmt: skip
    metadata = read_metadata(out)
    assert {key: metadata[key] for key in expected} == expected
    assert metadata["llama.attention.layer_norm_rms_epsilon"] == pytest.approx(1e-5)


def test_a_tied_model_has_no_head_of_its_own(tmp_path: Path, out: Path, convert: Convert) -> None:
    write_checkpoint(tmp_path / "tied", Shape(tied=True))
    convert(tmp_path / "tied", "F32")
    assert "output.weight" not in read_tensors(out)


def test_the_tiny_model_talks_for_as_long_as_one_listens(tmp_path: Path, llama: Llama) -> None:
    path = tiny_gguf(tmp_path / "tiny.gguf")
    said, why = llama.answer(path, "I feel tired today.", 100)
    assert why == "length"
    assert "🙂" in said
    assert "é日" in said
    assert all(word in SPEECH for word in said.split())
