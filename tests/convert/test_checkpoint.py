import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.tiny_model import write_checkpoint

from convert.checkpoint import open_file, open_folder
from convert.errors import ConvertError

TWO: dict[str, Any] = {
    "a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
    "b": {"dtype": "BF16", "shape": [4], "data_offsets": [16, 24]},
}


def write_file(path: Path, header: object, data: int = 24, length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + bytes(data))
    return path


def changed(name: str, **fields: object) -> dict[str, Any]:
    return {**TWO, name: {**TWO[name], **fields}}


def without(name: str, field: str) -> dict[str, Any]:
    return {**TWO, name: {key: value for key, value in TWO[name].items() if key != field}}


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
@pytest.mark.parametrize("shards", [1, 3])
def test_every_value_is_read_as_it_was_stored(tmp_path: Path, dtype: str, shards: int) -> None:
    weights = write_checkpoint(tmp_path / "tiny", dtype=dtype, shards=shards)
    checkpoint = open_folder(tmp_path / "tiny")
    assert checkpoint.tensors.keys() == weights.keys()
    for name, values in weights.items():
        assert checkpoint.tensors[name].dtype == dtype
        np.testing.assert_array_equal(checkpoint.read(name), values)


def test_values_off_their_natural_boundary_are_read(tmp_path: Path) -> None:
    path = write_file(tmp_path / "odd.safetensors", json.dumps(TWO).encode() + b" " * 3)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[: size - 24] + np.arange(6, dtype="<f4").tobytes())
    np.testing.assert_array_equal(open_file(path).read("a"), [[0, 1], [2, 3]])


@pytest.mark.parametrize(
    ("header", "data"),
    [
        pytest.param(b"", 24, id="empty"),
        pytest.param(b"\xff\xfe{}", 24, id="not UTF-8"),
        pytest.param(b'{"a": ', 24, id="cut JSON"),
        pytest.param(b"[" * 100_000, 24, id="deep JSON"),
        pytest.param([], 24, id="a list"),
        pytest.param(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{}}', 1, id="a name twice"),
        pytest.param({"a": 5}, 24, id="no entry"),
        pytest.param(changed("a", data_offsets=[0, 12]), 24, id="too few bytes"),
        pytest.param(changed("a", data_offsets=[-16, 0]), 24, id="negative offset"),
        pytest.param(changed("a", data_offsets=[16, 0]), 24, id="backwards"),
        pytest.param(changed("a", data_offsets=[0]), 24, id="one offset"),
        pytest.param(changed("a", data_offsets=[0.0, 16.0]), 24, id="fractions"),
        pytest.param(changed("b", data_offsets=[8, 16]), 16, id="overlap"),
        pytest.param(changed("b", data_offsets=[8, 16]), 24, id="overlap of the right size"),
        pytest.param(changed("b", data_offsets=[20, 28]), 28, id="gap"),
        pytest.param(TWO, 23, id="data cut short"),
        pytest.param(TWO, 25, id="bytes left over"),
        pytest.param(changed("a", dtype="F33"), 24, id="unknown dtype"),
        pytest.param(changed("a", dtype=["F32"]), 24, id="dtype not a text"),
        pytest.param(changed("a", dtype="F16"), 24, id="dtype of another size"),
        pytest.param(changed("a", shape=[2, -2]), 24, id="negative length"),
        pytest.param(changed("a", shape=[2, True, 2]), 24, id="length not a number"),
        pytest.param(changed("a", shape=[2**62, 2**62]), 24, id="huge shape"),
        pytest.param(changed("a", shape=4), 24, id="shape not a list"),
        pytest.param(without("a", "shape"), 24, id="no shape"),
        pytest.param(without("b", "dtype"), 24, id="no dtype"),
    ],
)
def test_a_hostile_header_is_refused(tmp_path: Path, header: object, data: int) -> None:
    with pytest.raises(ConvertError):
        open_file(write_file(tmp_path / "model.safetensors", header, data))


@pytest.mark.parametrize("length", [2**63, 2**40, 10**9, 10_000])
def test_a_header_longer_than_the_file_is_refused(tmp_path: Path, length: int) -> None:
    with pytest.raises(ConvertError, match="cut short"):
        open_file(write_file(tmp_path / "model.safetensors", TWO, length=length))


@pytest.mark.parametrize("size", [0, 7, 8, 100])
def test_a_truncated_file_is_refused(tmp_path: Path, size: int) -> None:
    path = write_file(tmp_path / "model.safetensors", TWO)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ConvertError):
        open_file(path)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(edits=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_mutated_file_is_refused_or_read(tmp_path: Path, edits: list[tuple[int, int]]) -> None:
    path = write_file(tmp_path / "model.safetensors", TWO)
    data = bytearray(path.read_bytes())
    for position, value in edits:
        data[position % len(data)] = value
    path.write_bytes(data)
    try:
        checkpoint = open_file(path)
    except ConvertError:
        return
    for name, info in checkpoint.tensors.items():
        if info.dtype in {"F32", "F16", "BF16"}:
            assert checkpoint.read(name).shape == info.shape


def test_a_file_that_shrank_meanwhile_is_refused(tmp_path: Path) -> None:
    path = write_file(tmp_path / "model.safetensors", TWO)
    checkpoint = open_file(path)
    path.write_bytes(b"")
    with pytest.raises(ConvertError, match="changed meanwhile"):
        checkpoint.read("a")


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    write_checkpoint(tmp_path / "sharded", shards=2)
    return tmp_path / "sharded"


def edit_index(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    edit(index["weight_map"])
    path.write_text(json.dumps(index))


def test_a_missing_shard_is_named(sharded: Path) -> None:
    (sharded / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ConvertError, match="lacks model-00002-of-00002"):
        open_folder(sharded)


def test_a_tensor_that_no_shard_has_is_named(sharded: Path) -> None:
    edit_index(sharded, lambda places: places.update(ghost="model-00001-of-00002.safetensors"))
    with pytest.raises(ConvertError, match="no shard has: ghost"):
        open_folder(sharded)


def test_a_tensor_that_the_index_does_not_name_is_refused(sharded: Path) -> None:
    edit_index(sharded, lambda places: places.pop("lm_head.weight"))
    with pytest.raises(ConvertError, match=r"lm_head\.weight"):
        open_folder(sharded)


@pytest.mark.parametrize("shard", ["../model.safetensors", "/etc/passwd", "..", "", 5])
def test_a_shard_outside_the_folder_is_refused(sharded: Path, shard: object) -> None:
    edit_index(sharded, lambda places: places.update(ghost=shard))
    with pytest.raises(ConvertError, match="outside"):
        open_folder(sharded)


def test_a_pickle_is_refused_and_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str, str]]:
            return open, (str(tmp_path / "opened"), "w")

    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ConvertError, match="pickle"):
        open_folder(tmp_path)
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize(("path", "words"), [("nowhere", "not a folder"), (".", "has no model.safetensors")])
def test_a_folder_without_weights_is_refused(tmp_path: Path, path: str, words: str) -> None:
    with pytest.raises(ConvertError, match=words):
        open_folder(tmp_path / path)
