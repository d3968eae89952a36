import sys
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray
from support.llama_judge import Llama, read_tensors
from support.tiny_model import Shape, write_checkpoint

from convert.errors import ConvertError
from convert.pipeline import Report
from convert.quant.ggml import FILE_NAMES, encode, load_encoder
from convert.quant.recipes import FALLBACKS, RECIPES, tensor_type
from convert.quant.types import TYPES, TensorType

SHAPES = {
    "rows of 64": Shape(),
    "rows of 256": Shape(layers=1, width=256, inner=512),
    "rows of 256, tied": Shape(layers=1, width=256, inner=512, tied=True),
    "rows of 64, tied, filler": Shape(layers=1, tied=True, filler=5),
    "rows of 72": Shape(layers=1, width=72, inner=88),
    "rows of 72, tied": Shape(layers=1, width=72, inner=88, tied=True),
}


def values(rows: int, columns: int) -> NDArray[np.float32]:
    return np.random.default_rng(3).standard_normal((rows, columns), np.float32)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_every_file_type_equals_llama_cpps_own_quantizer(
    tmp_path: Path, shape: Shape, out: Path, convert: Callable[..., Report], llama: Llama
) -> None:
    write_checkpoint(tmp_path / "tiny", shape, dtype="F16")
    whole = tmp_path / "whole.gguf"
    convert(tmp_path / "tiny", "F32", path=whole)
    for recipe in RECIPES.values():
        ours = out.with_name(f"{recipe.name}.gguf")
        convert(tmp_path / "tiny", recipe.name, path=ours)
        assert read_tensors(ours) == read_tensors(llama.quantize(whole, recipe.file_type)), recipe.name
        assert gguf.GGUFReader(ours).fields["general.file_type"].contents() == recipe.file_type


def test_the_shapes_reach_every_type_and_fallback() -> None:
    seen = {
        tensor_type(recipe, name, (8, columns), tied=False).name
        for recipe in RECIPES.values()
        for name in ("output.weight", "blk.0.attn_q.weight")
        for columns in (64, 256, 72)
    }
    assert seen == set(TYPES)
    assert FALLBACKS.keys() | set(FALLBACKS.values()) <= set(TYPES)


@pytest.mark.parametrize("type_", TYPES.values(), ids=TYPES)
def test_each_type_equals_the_gguf_package(type_: TensorType) -> None:
    number = gguf.GGMLQuantizationType[type_.name]
    assert (number.value, gguf.GGML_QUANT_SIZES[number]) == (type_.number, (type_.block, type_.block_bytes))
    rows = values(64, 512)
    encoded = encode("x", rows, type_)
    if type_.name == "Q6_K":
        # The package only decodes this one.
        decoded = gguf.dequantize(encoded.reshape(64, -1), number)
        np.testing.assert_allclose(decoded, rows, atol=0.1)
    else:
        assert encoded.tobytes() == gguf.quantize(rows, number).tobytes()


@pytest.mark.parametrize("type_", TYPES.values(), ids=TYPES)
def test_it_does_not_matter_how_many_rows_come_at_once(type_: TensorType) -> None:
    rows = values(67, 512)
    parts = b"".join(encode("x", rows[first : first + 5], type_).tobytes() for first in range(0, 67, 5))
    assert parts == encode("x", rows, type_).tobytes()


def test_values_in_any_memory_order_are_encoded_alike() -> None:
    rows = values(64, 64)
    turned = encode("x", np.asfortranarray(rows), TYPES["Q8_0"])
    assert turned.tobytes() == encode("x", rows, TYPES["Q8_0"]).tobytes()


@pytest.mark.parametrize("type_", TYPES.values(), ids=TYPES)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_no_number_is_refused_by_name(type_: TensorType, bad: float) -> None:
    rows = values(600, 512)
    rows[599, 511] = bad
    with pytest.raises(ConvertError, match=r"blk\.0\.attn_q"):
        encode("blk.0.attn_q.weight", rows, type_)


@pytest.mark.parametrize("type_", [t for t in TYPES.values() if t.name != "F32"], ids=lambda t: t.name)
def test_a_value_too_large_for_the_type_is_refused_and_the_largest_is_not(type_: TensorType) -> None:
    rows = values(1, 256)
    rows[0, 0] = np.nextafter(np.float32(type_.limit), np.float32(0))
    encoded = encode("x", rows, type_)
    assert np.isfinite(gguf.dequantize(encoded.reshape(1, -1), gguf.GGMLQuantizationType(type_.number))).all()
    rows[0, 0] = type_.limit
    with pytest.raises(ConvertError, match="too large"):
        encode("x", rows, type_)


def test_a_missing_or_foreign_library_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_encoder.cache_clear()
    package = tmp_path / "llama_cpp"
    (package / "lib").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "llama_cpp", raising=False)
    with pytest.raises(ConvertError, match="not installed"):
        load_encoder()
    (package / "lib" / FILE_NAMES.get(sys.platform, "libggml-base.so")).write_bytes(b"not a library")
    with pytest.raises(ConvertError, match="cannot be used"):
        load_encoder()
