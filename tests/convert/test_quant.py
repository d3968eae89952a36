import itertools
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray
from support.importance_files import write_dat, write_importance
from support.llama_judge import Llama, read_metadata, read_tensors
from support.tiny_model import Shape, tiny_gguf, write_checkpoint

from convert.errors import ConvertError
from convert.quant.ggml import FILE_NAMES, encode, load_encoder
from convert.quant.recipes import RECIPES, Traits, tensor_types
from convert.quant.types import TYPES, TensorType

SHAPES = {
    "rows of 256, grouped by 4": Shape(layers=1, width=256, inner=256, heads=4, kv_heads=1),
    "rows of 576 as SmolLM2's, tied": Shape(layers=1, width=576, inner=32, heads=9, kv_heads=3, tied=True),
    "rows of 72 and 88": Shape(layers=1, width=72, inner=88),
    "rows of 72, tied": Shape(layers=1, width=72, inner=88, tied=True, filler=5),
    "24 layers": Shape(layers=24, width=32, inner=256, heads=2, kv_heads=2),
    "a 70B to llama.cpp: 80 layers, grouped": Shape(layers=80, width=32, inner=32, heads=8, kv_heads=1),
}
Command = Callable[..., int]
Table = Mapping[str, NDArray[np.float32]]


def values(rows: int, columns: int) -> NDArray[np.float32]:
    return np.random.default_rng(3).standard_normal((rows, columns), np.float32)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """Make a checkpoint of one of SHAPES and what it is in F32, once."""
    made: dict[str, tuple[Path, Path]] = {}

    def get(name: str) -> tuple[Path, Path]:
        if name not in made:
            folder = tmp_path_factory.mktemp("whole")
            write_checkpoint(folder / "tiny", SHAPES[name])
            made[name] = folder / "tiny", tiny_gguf(folder / "whole.gguf", "F32", SHAPES[name])
        return made[name]

    return get


def importance_for(path: Path) -> Table:
    """Weights of all sizes for every matrix of the file at `path`, but for what real ones lack or have wrong."""
    random = np.random.default_rng(5)
    table = {
        name: random.exponential(size=shape[-1]).astype(np.float32) ** 2
        for name, (_, shape, _) in read_tensors(path).items()
        if len(shape) > 1
    }
    table["token_embd.weight"] = table["token_embd.weight"][:-1]  # llama.cpp passes over it
    table["blk.0.attn_q.weight"] = np.zeros_like(table["blk.0.attn_q.weight"])
    del table["blk.0.ffn_up.weight"]
    return table


# Where not all types have something new to show; the snapshots below hold all of them for whole models.
SOME = {
    "rows of 576 as SmolLM2's, tied": ("Q8_0", "Q4_0", "Q5_1", "Q2_K", "Q3_K_M", "Q4_K_M", "Q5_K_M", "Q6_K", "IQ4_XS"),
    "rows of 72, tied": ("F16", "Q8_0", "Q4_0", "Q2_K", "Q4_K_M", "IQ4_NL"),
    "24 layers": ("Q2_K", "Q3_K_M", "Q4_K_S", "Q4_K_M", "Q5_0", "IQ4_XS"),
    "a 70B to llama.cpp: 80 layers, grouped": ("Q3_K_S", "Q4_K_M"),
}


@pytest.mark.parametrize("weighed", [False, True], ids=["plain", "importance"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_file_type_equals_llama_cpps_own_quantizer(
    shape: str, weighed: bool, whole: Callable[[str], tuple[Path, Path]], out: Path, command: Command, llama: Llama
) -> None:
    base, plain = whole(shape)
    table = importance_for(plain) if weighed else None
    extra = ("--imatrix", write_importance(out.with_name("imatrix.gguf"), table)) if table else ()
    for recipe in (RECIPES[name] for name in SOME.get(shape, RECIPES)):
        assert command("gguf", base, "--type", recipe.name, "--out", out, "--overwrite", *extra) == 0
        assert read_tensors(out) == read_tensors(llama.quantize(plain, recipe.file_type, table)), recipe.name
        assert gguf.GGUFReader(out).fields["general.file_type"].contents() == recipe.file_type


OVERRIDES = (
    ("attn_v=q8_0", "ffn_.*=IQ4_XS"),
    (r"blk\.(0|1|5)\.=Q5_K", "ATTN=f16", "blk=BF16"),
    ("output=f32", "^token_embd=Q4_1", r"\.2[0-3]\.ffn_down=q2_k"),
)


@pytest.mark.parametrize("patterns", OVERRIDES, ids=" ".join)
@pytest.mark.parametrize("recipe", ["Q4_K_M", "Q3_K_M", "Q4_0"])
def test_types_set_for_single_tensors_mean_what_llama_cpp_means(
    patterns: tuple[str, ...],
    recipe: str,
    whole: Callable[[str], tuple[Path, Path]],
    out: Path,
    command: Command,
    llama: Llama,
) -> None:
    base, plain = whole("24 layers")
    # llama-quantize puts the pattern in lower case before the library sees it.
    theirs = {text.split("=")[0].lower(): TYPES[text.split("=")[1].upper()].number for text in patterns}
    extra = [argument for text in patterns for argument in ("--tensor-type", text)]
    assert command("gguf", base, "--type", recipe, "--out", out, *extra) == 0
    judged = llama.quantize(plain, RECIPES[recipe].file_type, overrides=theirs)
    assert read_tensors(out) == read_tensors(judged)


def test_an_override_without_effect_is_refused(base: Path, refused: Callable[..., str]) -> None:
    assert "changes nothing" in refused(base, "--tensor-type", "attn_v=Q8_0", recipe="F16")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("attn_v", "pattern, = and a type"),
        ("=Q4_K", "pattern, = and a type"),
        ("attn_v=", "pattern, = and a type"),
        ("attn_v=IQ1_S", "choose one of F32"),
        ("attn_(=Q4_K", "not a regular expression"),
        ("(?i)attn=Q4_K", "read differently"),
        ("[[:digit:]]=Q4_K", "read differently"),
        ("atn_v=Q4_K", "fits no tensor"),
        ("_norm=Q4_K", "fits no tensor"),
    ],
)
def test_an_override_that_would_do_nothing_is_refused(
    text: str, words: str, base: Path, refused: Callable[..., str]
) -> None:
    assert words in refused(base, "--tensor-type", text, recipe="Q4_K_M")


SNAPSHOTS = json.loads((Path(__file__).parent.parent / "data" / "quant_types.json").read_text())["models"]


@pytest.mark.parametrize("model", SNAPSHOTS)
def test_the_types_of_real_models_equal_llama_cpps_snapshots(model: str) -> None:
    entry = SNAPSHOTS[model]
    shapes = {name: tuple(shape) for name, shape in entry["tensors"].items()}
    traits = Traits(entry["layers"], entry["heads"] // entry["kv_heads"], is_70b=entry["is_70b"])
    for recipe, expected in entry["types"].items():
        found = tensor_types(RECIPES[recipe], shapes, traits)
        assert {name: type_.name for name, type_ in found.items()} == {
            name: expected["except"].get(name, expected["default"]) for name in shapes
        }, recipe
    assert len(entry["types"]) >= 17


def test_a_file_can_be_weighed_by_either_format(base: Path, out: Path, command: Command, llama: Llama) -> None:
    plain = tiny_gguf(out.with_name("plain.gguf"), "F32")
    table = importance_for(plain)
    found = []
    for write, name in ((write_importance, "imatrix.gguf"), (write_dat, "imatrix.dat")):
        file = write(out.with_name(name), table)
        assert command("gguf", base, "--type", "Q4_K_M", "--out", out, "--overwrite", "--imatrix", file) == 0
        found.append(read_tensors(out))
        metadata = read_metadata(out)
        expected = {"file": name, "dataset": "talk.txt", "entries_count": len(table), "chunks_count": 3}
        assert {key: metadata[f"quantize.imatrix.{key}"] for key in expected} == expected
    assert found[0] == found[1] == read_tensors(llama.quantize(plain, 15, table))


def test_a_matrix_that_does_not_belong_is_refused(base: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    path = tmp_path / "imatrix.gguf"
    one = np.ones(64, np.float32)

    def told(table: Table) -> str:
        return refused(base, "--imatrix", write_importance(path, table), recipe="Q4_K_M")

    assert "another model" in told({"blk.9.attn_q.weight": one})
    assert "63 columns for blk.0.attn_q.weight" in told({"blk.0.attn_q.weight": one[1:]})
    assert "not numbers" in told({"blk.0.attn_q.weight": one * np.float32(np.nan)})
    path.write_bytes(b"no matrix at all")
    assert "neither" in refused(base, "--imatrix", path, recipe="Q4_K_M")
    assert "cannot be read" in refused(base, "--imatrix", tmp_path / "nowhere", recipe="Q4_K_M")
    whole = write_dat(path, {"blk.0.attn_q.weight": one}).read_bytes()
    for length in range(0, len(whole) - 12, 7):
        path.write_bytes(whole[:length])
        assert "neither" in refused(base, "--imatrix", path, recipe="Q4_K_M")
    assert "no importance matrix" in refused(base, "--imatrix", tiny_gguf(path), recipe="Q4_K_M")


@pytest.mark.parametrize("type_", TYPES.values(), ids=TYPES)
def test_each_type_equals_the_gguf_package(type_: TensorType) -> None:
    number = gguf.GGMLQuantizationType[type_.name]
    assert (number.value, gguf.GGML_QUANT_SIZES[number]) == (type_.number, (type_.block, type_.block_bytes))
    rows = values(64, 512)
    encoded = encode("x", rows, type_)
    try:
        expected = gguf.quantize(rows, number)
    except NotImplementedError:  # the package only decodes these
        decoded = gguf.dequantize(encoded.reshape(64, -1), number)
        assert np.abs(decoded - rows).mean() < 0.3
    else:
        assert encoded.tobytes() == expected.tobytes()


@pytest.mark.parametrize("type_", TYPES.values(), ids=TYPES)
@pytest.mark.parametrize("weighed", [False, True], ids=["plain", "importance"])
def test_it_does_not_matter_how_many_rows_come_at_once(type_: TensorType, weighed: bool) -> None:
    rows = values(67, 512)
    weights = values(1, 512)[0] ** 2 if weighed else None
    parts = b"".join(encode("x", rows[first : first + 5], type_, weights).tobytes() for first in range(0, 67, 5))
    assert parts == encode("x", rows, type_, weights).tobytes()


def test_values_in_any_memory_order_are_encoded_alike() -> None:
    rows = values(64, 64)
    turned = encode("x", np.asfortranarray(rows), TYPES["Q8_0"])
    assert turned.tobytes() == encode("x", rows, TYPES["Q8_0"]).tobytes()


@pytest.mark.parametrize("type_", TYPES.values(), ids=TYPES)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_no_number_is_refused_by_name(type_: TensorType, bad: float) -> None:
    rows = values(9, 512)
    rows[-1, 511] = bad
    with pytest.raises(ConvertError, match=r"blk\.0\.attn_q"):
        encode("blk.0.attn_q.weight", rows, type_)


@pytest.mark.parametrize("type_", [t for t in TYPES.values() if t.halves], ids=lambda t: t.name)
def test_a_value_too_large_for_the_type_is_refused_and_a_smaller_one_is_not(type_: TensorType) -> None:
    limit = 3.4028235e38 if type_.name == "BF16" else 65504.0
    for sign, column in itertools.product((1, -1), (0, 255, 511)):
        rows = values(2, 512)
        rows[1, column] = sign * limit * (0.99 if type_.name == "BF16" else 1)
        encoded = encode("x", rows, type_)
        assert np.isfinite(gguf.dequantize(encoded.reshape(2, -1), gguf.GGMLQuantizationType(type_.number))).all()
        rows[1, column] = sign * np.float32(3.4028235e38)
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
