"""The larger run, `make convert-check`: a whole model in every type, and a slice of the 7B shape with an adapter."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray
from support.llama_judge import Llama, read_tensors
from support.smol_checkpoint import checkpoint_name, split_pairs, starter_path, write_smol_checkpoint

from convert.bench.checkpoint import RANK, SHAPES, write_adapter, write_checkpoint
from convert.checkpoint import open_adapter, open_folder
from convert.importance import read_importance
from convert.quant.recipes import RECIPES

pytestmark = pytest.mark.skipif("CONVERT_CHECK" not in os.environ, reason="`make convert-check` takes long")

Command = Callable[..., int]
LICENSE = Path(__file__).parent.parent.parent / "LICENSE"
LAYERS = 4
MOST_MEMORY = 1_200_000_000
MEASURE = "import sys; from convert.bench.process import measure; print(measure(sys.argv[1:]).memory)"


@pytest.fixture(scope="module")
def smol(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2-135M: `base`, a checkpoint in 16 bits, and `whole.gguf`, the same for llama.cpp's quantizer."""
    from convert.cli import main

    folder = tmp_path_factory.mktemp("smol")
    write_smol_checkpoint(folder / "base", dtype="F16")
    assert main(["gguf", str(folder / "base"), "--type", "F16", "--out", str(folder / "whole.gguf")]) == 0
    matrix = ["--text", str(LICENSE), "--chunks", "4", "--out", str(folder / "imatrix.gguf")]
    assert main(["imatrix", str(starter_path()), *matrix]) == 0
    return folder


@pytest.mark.parametrize("weighed", [False, True], ids=["plain", "importance"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_smollm2_is_what_llama_cpp_makes_of_it(
    recipe: str, weighed: bool, smol: Path, out: Path, command: Command, llama: Llama
) -> None:
    table: Mapping[str, NDArray[np.float32]] | None = None
    extra: tuple[object, ...] = ()
    if weighed:
        table, extra = read_importance(smol / "imatrix.gguf").weights, ("--imatrix", smol / "imatrix.gguf")
    assert command("gguf", smol / "base", "--type", recipe, "--out", out, *extra) == 0
    judged = llama.quantize(smol / "whole.gguf", RECIPES[recipe].file_type, table)
    ours, theirs = read_tensors(out), read_tensors(judged)
    assert ours.keys() == theirs.keys()
    assert not [name for name in ours if ours[name] != theirs[name]]
    for path in (out, judged):
        path.unlink()


@pytest.fixture(scope="module")
def slice_of_7b(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four layers in the shape of Llama-2-7B, an adapter of rank 16, and both merged in float32."""
    from convert.cli import main

    folder = tmp_path_factory.mktemp("slice")
    write_checkpoint(folder / "base", SHAPES["7b"], LAYERS)
    write_adapter(folder / "adapter", SHAPES["7b"], LAYERS)
    merged = ["--adapter", str(folder / "adapter"), "--type", "F32", "--out", str(folder / "merged.gguf")]
    assert main(["gguf", str(folder / "base"), *merged]) == 0
    return folder


def test_a_slice_of_7b_is_merged_as_by_hand(slice_of_7b: Path) -> None:
    base, adapter = open_folder(slice_of_7b / "base"), open_adapter(slice_of_7b / "adapter")
    for tensor in gguf.GGUFReader(slice_of_7b / "merged.gguf").tensors:
        name = checkpoint_name(tensor.name)
        expected: NDArray[Any] = base.read(name)
        module = f"base_model.model.{name.removesuffix('.weight')}"
        if f"{module}.lora_A.weight" in adapter.tensors:
            a, b = (adapter.read(f"{module}.lora_{side}.weight").astype(np.float64) for side in "AB")
            expected = expected + (b @ a) * (RANK / RANK)
        found = np.array(tensor.data)
        if ".attn_q." in tensor.name or ".attn_k." in tensor.name:
            found = split_pairs(SHAPES["7b"].heads, found)
        error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
        assert error < 1e-6, tensor.name


@pytest.mark.parametrize("recipe", ["Q4_K_M", "Q8_0"])
def test_a_slice_of_7b_is_encoded_from_the_merged_values(
    recipe: str, slice_of_7b: Path, out: Path, llama: Llama
) -> None:
    arguments = ["--adapter", slice_of_7b / "adapter", "--type", recipe, "--out", out, "--progress", "none"]
    program = [sys.executable, "-m", "convert", "gguf", slice_of_7b / "base", *arguments]
    # From a small process: the kernel charges a child with its parent's memory until it becomes itself.
    run = subprocess.run([sys.executable, "-c", MEASURE, *map(str, program)], capture_output=True, check=True)
    judged = llama.quantize(slice_of_7b / "merged.gguf", RECIPES[recipe].file_type)
    ours, theirs = read_tensors(out), read_tensors(judged)
    assert ours.keys() == theirs.keys()
    assert not [name for name in ours if ours[name] != theirs[name]]
    assert int(run.stdout) < MOST_MEMORY
    for path in (out, judged):
        path.unlink()
