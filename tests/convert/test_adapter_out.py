"""An adapter applied by llama.cpp at load against the same adapter merged by us."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import pytest
from numpy.typing import NDArray
from support.llama_judge import Llama, read_metadata, read_tensors
from support.tiny_model import Shape, write_adapter, write_checkpoint, write_safetensors

from convert.checkpoint import open_adapter
from convert.pipeline import Report

Command = Callable[..., int]
Convert = Callable[..., Report]
TOKENS = [5, 17, 60, 99, 120, 7, 33]


def edit(folder: Path, **settings: object) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


def with_adapter(model: Path, adapter: Path) -> NDArray[np.float32]:
    """The logits of `model` with `adapter` put on at load."""
    llama = llama_cpp.Llama(str(model), lora_path=str(adapter), n_ctx=64, n_threads=1, verbose=False, logits_all=True)
    llama.eval(TOKENS)
    logits = np.array(llama.scores[: len(TOKENS)])
    llama.close()
    return logits


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"use_rslora": True},
        {"alpha_pattern": {"q_proj": 40, "layers.1.mlp.up_proj": 1}},
        {"use_rslora": True, "alpha_pattern": {"k_proj": 1}},
    ],
    ids=["plain", "rslora", "alpha_pattern", "both"],
)
def test_llama_applies_what_we_merge(
    base: Path, tmp_path: Path, command: Command, convert: Convert, llama: Llama, settings: dict[str, Any]
) -> None:
    write_adapter(tmp_path / "a")
    edit(tmp_path / "a", **settings)
    assert command("adapter", base, tmp_path / "a", "--out", tmp_path / "a.gguf") == 0
    convert(base, "F32", path=tmp_path / "base.gguf")
    convert(base, "F32", adapter=tmp_path / "a", path=tmp_path / "merged.gguf")
    merged, plain = llama.logits(tmp_path / "merged.gguf", TOKENS), llama.logits(tmp_path / "base.gguf", TOKENS)
    at_load = with_adapter(tmp_path / "base.gguf", tmp_path / "a.gguf")
    scale = float(np.abs(merged).max())
    assert np.abs(at_load - merged).max() < 1e-4 * scale
    assert np.abs(plain - merged).max() > 0.05 * scale
    metadata = read_metadata(tmp_path / "a.gguf")
    assert metadata["general.type"] == "adapter"
    assert metadata["adapter.lora.alpha"] == (
        8.0 if not settings else 16.0 if settings == {"use_rslora": True} else 1.0
    )


def test_an_adapter_of_embedding_and_head_is_applied_too(
    base: Path, tmp_path: Path, command: Command, convert: Convert, llama: Llama
) -> None:
    folder = tmp_path / "a"
    write_adapter(folder)
    random = np.random.default_rng(3)
    prefix, rows = "base_model.model", 399
    tensors = {
        f"{prefix}.model.embed_tokens.lora_embedding_A": random.standard_normal((4, rows), np.float32) * 0.2,
        f"{prefix}.model.embed_tokens.lora_embedding_B": random.standard_normal((64, 4), np.float32),
        f"{prefix}.lm_head.lora_A.weight": random.standard_normal((4, 64), np.float32) * 0.2,
        f"{prefix}.lm_head.lora_B.weight": random.standard_normal((rows, 4), np.float32) * 0.2,
    }
    write_safetensors(
        folder / "adapter_model.safetensors", {k: v.astype(np.float32) for k, v in tensors.items()}, "F32"
    )
    edit(folder, use_rslora=True)
    assert command("adapter", base, folder, "--out", tmp_path / "a.gguf") == 0
    convert(base, "F32", path=tmp_path / "base.gguf")
    convert(base, "F32", adapter=folder, path=tmp_path / "merged.gguf")
    merged = llama.logits(tmp_path / "merged.gguf", TOKENS)
    at_load = with_adapter(tmp_path / "base.gguf", tmp_path / "a.gguf")
    assert np.abs(at_load - merged).max() < 1e-4 * np.abs(merged).max()


def test_what_llama_cannot_apply_at_load_is_refused(
    base: Path, own_adapter: Path, out: Path, command: Command, capfd: pytest.CaptureFixture[str]
) -> None:
    source = open_adapter(own_adapter)
    tensors = {name: source.read(name).copy() for name in source.tensors}
    norm = {"base_model.model.model.norm.weight": np.ones(64, np.float32)}
    write_safetensors(own_adapter / "adapter_model.safetensors", tensors | norm, "F32")
    edit(own_adapter, modules_to_save=["model.norm"])
    assert command("adapter", base, own_adapter, "--out", out) == 2
    assert "gguf --adapter" in capfd.readouterr().err
    assert list(out.parent.iterdir()) == []


def test_a_matrix_that_is_embedding_and_head_is_refused(
    tmp_path: Path, out: Path, command: Command, capfd: pytest.CaptureFixture[str]
) -> None:
    write_checkpoint(tmp_path / "tied", Shape(tied=True))
    write_adapter(tmp_path / "a")
    factors = {
        "base_model.model.lm_head.lora_A.weight": np.ones((4, 64), np.float32),
        "base_model.model.lm_head.lora_B.weight": np.ones((399, 4), np.float32),
    }
    write_safetensors(tmp_path / "a" / "adapter_model.safetensors", factors, "F32")
    assert command("adapter", tmp_path / "tied", tmp_path / "a", "--out", out) == 2
    assert "embedding and as head" in capfd.readouterr().err


def test_the_pairs_lie_as_llama_reads_them(base: Path, adapter: Path, out: Path, command: Command) -> None:
    assert command("adapter", base, adapter, "--out", out) == 0
    tensors = read_tensors(out)
    assert len(tensors) == 28
    assert tensors["blk.0.ffn_down.weight.lora_a"][:2] == ("F32", (4, 96))
    assert tensors["blk.0.ffn_down.weight.lora_b"][:2] == ("F32", (64, 4))
