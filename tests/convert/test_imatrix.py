import ctypes
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
from support.llama_judge import read_metadata, read_tensors
from support.tiny_model import Shape, tiny_gguf

from convert import graph
from convert.errors import ConvertError
from convert.graph import Graph
from convert.importance import read_importance
from convert.quant.ggml import library_path

Command = Callable[..., int]
DATA = Path(__file__).parent.parent / "data"
LICENSE = DATA.parent.parent / "LICENSE"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf", "F32")


def test_it_is_what_llama_cpps_own_tool_makes_of_the_same_text(
    model: Path, tmp_path: Path, command: Command, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "imatrix.gguf"
    assert command("imatrix", model, "--threads", 1, "--text", LICENSE, "--context", 128, "--out", out) == 0
    output, errors = capfd.readouterr()
    assert (output, errors) == (f"Wrote {out} (0.0 MB): 14 weights, 69 chunks of 128 tokens.\n", "")
    recorded = DATA / "tiny_imatrix.gguf"
    # The header is the tool's to the byte: settings, names, shapes, their order.
    start = int(min(tensor.data_offset for tensor in gguf.GGUFReader(recorded).tensors))
    assert out.read_bytes()[:start] == recorded.read_bytes()[:start]
    assert read_metadata(out)["imatrix.datasets"] == ["LICENSE"]
    ours, theirs = read_tensors(out), read_tensors(recorded)
    for name, (_, _, data) in theirs.items():
        # The tool sums in float32, and its attention reads 16 texts at a time.
        np.testing.assert_allclose(np.frombuffer(ours[name][2], "<f4"), np.frombuffer(data, "<f4"), rtol=1e-3)
        if name.endswith(".counts"):
            assert ours[name][2] == data


def test_the_tools_two_formats_are_read_alike(base: Path, tmp_path: Path, command: Command) -> None:
    new, old = (read_importance(DATA / f"tiny_imatrix.{ending}") for ending in ("gguf", "dat"))
    assert (new.chunks, new.datasets) == (old.chunks, old.datasets) == (69, ("LICENSE",))
    assert new.weights.keys() == old.weights.keys()
    for name, weights in new.weights.items():
        np.testing.assert_array_equal(old.weights[name], weights)
    arguments = ("gguf", base, "--type", "Q4_0", "--overwrite", "--imatrix")
    for ending in ("gguf", "dat"):
        out = tmp_path / f"{ending}.gguf"
        assert command(*arguments, DATA / f"tiny_imatrix.{ending}", "--out", out) == 0
    assert read_tensors(tmp_path / "gguf.gguf") == read_tensors(tmp_path / "dat.gguf")


def test_it_weighs_what_large_values_meet(model: Path, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "imatrix.gguf"
    assert (
        command("imatrix", model, "--threads", 1, "--text", LICENSE, "--context", 64, "--chunks", 4, "--out", out) == 0
    )
    importance = read_importance(out)
    assert importance.chunks == 4
    assert read_tensors(out)["blk.0.attn_q.weight.counts"][2] == np.float32(256).tobytes()
    # What comes into a layer is normalised, and then stretched by the norm's weights.
    norm = np.frombuffer(read_tensors(model)["blk.0.attn_norm.weight"][2], "<f4")
    assert importance.weights["blk.0.attn_q.weight"].mean() == pytest.approx((norm**2).mean(), rel=0.05)
    np.testing.assert_array_equal(importance.weights["blk.0.attn_q.weight"], importance.weights["blk.0.attn_k.weight"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--context", 8192), "16384 are needed"),
        (("--context", 31), "not a number from 32"),
        (("--chunks", 0), "not a number from 1"),
        (("--text", "nowhere.txt"), "nowhere.txt cannot be read"),
        (("--out", "no/imatrix.gguf"), "in a folder that exists"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    arguments: tuple[object, ...],
    words: str,
    model: Path,
    tmp_path: Path,
    command: Command,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert command("imatrix", model, "--threads", 1, "--text", LICENSE, "--out", tmp_path / "i.gguf", *arguments) == 2
    errors = capfd.readouterr().err
    assert words in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "i.gguf").exists()


def test_an_existing_file_is_kept_unless_told_otherwise(model: Path, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "i.gguf"
    out.write_text("precious")
    arguments = ("imatrix", model, "--threads", 1, "--text", LICENSE, "--context", 32, "--chunks", 1, "--out", out)
    assert command(*arguments) == 2
    assert out.read_text() == "precious"
    assert command(*arguments, "--overwrite") == 0
    assert read_importance(out).chunks == 1


def test_a_text_that_is_none_is_told(
    model: Path, tmp_path: Path, command: Command, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text").write_bytes(b"\xff\xfe")
    assert command("imatrix", model, "--text", tmp_path / "text", "--out", tmp_path / "i.gguf") == 2
    assert "not a text in UTF-8" in capfd.readouterr().err


def test_a_model_with_infinities_is_told(tmp_path: Path, command: Command, capfd: pytest.CaptureFixture[str]) -> None:
    path = tiny_gguf(tmp_path / "tiny.gguf", "F32", Shape(layers=1))
    tensor = next(t for t in gguf.GGUFReader(path).tensors if t.name == "blk.0.attn_norm.weight")
    data = bytearray(path.read_bytes())
    data[tensor.data_offset : tensor.data_offset + 4] = np.float32(np.inf).tobytes()
    path.write_bytes(data)
    out = tmp_path / "i.gguf"
    assert (
        command("imatrix", path, "--threads", 1, "--text", LICENSE, "--context", 64, "--chunks", 1, "--out", out) == 2
    )
    assert "not numbers" in capfd.readouterr().err


def test_another_layout_of_tensors_is_refused_not_misread(monkeypatch: pytest.MonkeyPatch) -> None:
    library = ctypes.CDLL(str(library_path()))
    Graph(library)

    class Other(ctypes.Structure):
        _fields_ = (("new", ctypes.c_uint64), *graph._Tensor._fields_)

    monkeypatch.setattr(graph, "_Tensor", Other)
    with pytest.raises(ConvertError, match="not known"):
        Graph(library)
