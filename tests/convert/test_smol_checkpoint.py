"""The starter model, taken apart into a checkpoint and put together again, is the starter model."""

from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
from support.llama_judge import Llama
from support.smol_checkpoint import open_starter, starter_path, write_smol_checkpoint

from convert.pipeline import Report

LAYERS = 2
TEXTS = (
    "I can't sleep; it's 3:47 and I've counted 12345 sheep.",
    "  Zwei Wörter — naïve café\n\n\t日本語 🙂 don't",
    "<|im_start|>user\nhello<|im_end|>\n",
    "def f(x):\n    return x**2  # 2024-01-31",
    "",
)


@pytest.fixture(scope="module")
def slice_of_smol(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint's first two layers: the vocabulary is whole, the rest is more of the same."""
    folder = tmp_path_factory.mktemp("smol") / "smol"
    write_smol_checkpoint(folder, layers=LAYERS)
    return folder


def test_it_comes_back_value_for_value(
    slice_of_smol: Path, out: Path, convert: Callable[..., Report], llama: Llama
) -> None:
    convert(slice_of_smol, "F32")
    starter = {tensor.name: tensor for tensor in open_starter().tensors}
    reader = gguf.GGUFReader(out)
    found = {tensor.name: tensor.data for tensor in reader.tensors}
    assert found.keys() == {n for n in starter if not n.startswith("blk.") or int(n.split(".")[1]) < LAYERS}
    for name, data in found.items():
        tensor = starter[name]
        values = gguf.dequantize(tensor.data, gguf.GGMLQuantizationType(tensor.tensor_type))
        np.testing.assert_array_equal(data, values, err_msg=name)
    ours = {key: field.contents() for key, field in reader.fields.items()}
    theirs = {key: field.contents() for key, field in open_starter().fields.items()}
    assert {key for key in theirs if key.startswith("tokenizer.")} <= ours.keys()
    for key, value in theirs.items():
        if key.startswith(("tokenizer.", "llama.")) and key != "llama.block_count":
            assert ours[key] == value, key
    assert llama.tokenize(out, TEXTS, special=True) == llama.tokenize(starter_path(), TEXTS, special=True)
