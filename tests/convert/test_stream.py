"""Blocks, hashes and threads: what the pipeline stands on."""

import hashlib
import random
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Barrier, Thread

import numpy as np
import pytest
from support.llama_judge import read_metadata, read_tensors
from support.tiny_model import Shape, write_checkpoint

from convert.arch.model import Row
from convert.arch.rotation import interleave_halves
from convert.blocks import Block, Step, cut
from convert.checkpoint import Stored, open_folder, read_bytes
from convert.digest import Digest, file_hash
from convert.errors import ConvertError
from convert.pipeline import Job, Report, make_plan, run
from convert.progress import Silent
from convert.quant.types import TYPES
from convert.stream import AHEAD, stream
from convert.tensors import Array, TensorInfo

Convert = Callable[..., Report]
Command = Callable[..., int]


def step(path: Path, rows: int, columns: int, offset: int, reshape: Callable[[Array], Array] | None = None) -> Step:
    info = TensorInfo("x", "F32", (rows, columns))
    return Step(
        Row("x", "x.weight", (rows, columns), reshape), TYPES["F32"], Stored(info, path, offset, rows * columns * 4)
    )


@pytest.mark.parametrize("reshape", [None, partial(interleave_halves, 6), lambda values: values[::-1]])
@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_blocks_put_together_are_the_tensor(
    tmp_path: Path, size: int, reshape: Callable[[Array], Array] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convert.blocks.BLOCK_VALUES", size)
    values = np.random.default_rng(1).standard_normal((48, 8), np.float32)
    file = tmp_path / "file"
    file.write_bytes(b"head" + values.tobytes() + b"end")
    blocks = list(cut([step(file, 48, 8, 4, reshape)], {file: file.stat().st_size}))
    assert b"".join(read_bytes(file, b.offset, b.size).tobytes() for b in blocks if b.hashed) == file.read_bytes()
    result = np.full((48, 8), np.nan, np.float32)
    for block in blocks:
        if block.step:
            part = read_bytes(file, block.offset, block.size).view(np.float32).reshape(-1, 8)
            if block.order is not None:
                part = part[block.order]
            elif reshape:
                part = reshape(part)
            result[block.first : block.first + block.count] = part
    np.testing.assert_array_equal(result, reshape(values) if reshape else values)
    heads = [block.count for block in blocks if block.step]
    assert heads == [48] if reshape and reshape(values)[0, 0] == values[-1, 0] else max(heads) <= max(8, size // 8)


def test_a_tensor_that_two_steps_read_is_hashed_once(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(range(64)))
    blocks = list(cut([step(file, 4, 4, 0), step(file, 4, 4, 0)], {file: 64}))
    assert [block.hashed for block in blocks] == [True, False]
    assert all(not block.hashed for block in cut([step(file, 4, 4, 0)], {}))


@pytest.mark.parametrize("recipe", ["F32", "Q8_0", "Q4_0"])
def test_the_size_of_the_blocks_changes_no_byte(
    tmp_path: Path, base: Path, recipe: str, convert: Convert, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert(base, recipe, path=tmp_path / "whole.gguf")
    monkeypatch.setattr("convert.blocks.BLOCK_VALUES", 100)
    convert(base, recipe, path=tmp_path / "blocks.gguf", threads=3)
    assert (tmp_path / "whole.gguf").read_bytes() == (tmp_path / "blocks.gguf").read_bytes()


def test_pieces_in_any_order_from_any_thread_give_the_hash_of_the_whole() -> None:
    data = np.random.default_rng(2).integers(0, 256, 100_000, np.uint8)
    pieces = [(at, data[at : at + 1000]) for at in range(0, len(data), 1000)]
    random.Random(3).shuffle(pieces)
    digest = Digest(len(data))
    completed: list[bool] = []
    threads = [
        Thread(target=lambda mine: completed.extend(digest.add(*piece) for piece in mine), args=[pieces[n::4]])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert digest.digest() == hashlib.sha256(data.data).digest()
    assert completed.count(True) == 1


def test_pieces_that_do_not_belong_are_refused() -> None:
    digest = Digest(10)
    digest.add(0, np.zeros(4, np.uint8))
    for position, size in ((0, 4), (2, 1), (8, 3), (-1, 1)):
        with pytest.raises(ValueError, match="belong"):
            digest.add(position, np.zeros(size, np.uint8))
    with pytest.raises(ValueError, match="6 bytes"):
        digest.digest()


def numbered(count: int) -> list[Block]:
    return [Block(Path(), number, 0, hashed=False) for number in range(count)]


def test_all_threads_work_at_once_and_none_runs_far_ahead() -> None:
    together = Barrier(2, timeout=60)
    seen: list[int] = []
    slow_left_at: list[int] = []

    def work(block: Block) -> str | None:
        if block.offset < 2:
            together.wait()
        if block.offset == 0:
            # The other thread can go no further than the bound while this one is at its first block.
            deadline = time.monotonic() + 60
            while len(seen) < 2 * AHEAD:
                assert time.monotonic() < deadline
            slow_left_at.append(len(seen))
        seen.append(block.offset)
        return str(block.offset)

    names: list[str] = []
    stream(iter(numbered(50)), work, 2, names.append)
    assert slow_left_at == [2 * AHEAD]
    assert sorted(map(int, names)) == list(range(50))


def test_the_first_error_stops_all_threads() -> None:
    done = []

    def work(block: Block) -> str | None:
        if block.offset == 5:
            raise ConvertError("five")
        done.append(block.offset)
        return None

    with pytest.raises(ConvertError, match="five"):
        stream(iter(numbered(100_000)), work, 3, lambda _name: None)
    assert len(done) < 100_000


def test_a_file_cut_short_after_the_plan_is_a_sentence(own_base: Path, out: Path) -> None:
    plan = make_plan(Job(own_base, (), "F32", out, 2))
    with (own_base / "model.safetensors").open("r+b") as file:
        file.truncate(file.seek(0, 2) // 2)
    with pytest.raises(ConvertError, match="shorter than it was"):
        run(plan, Silent())
    assert list(out.parent.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="a file that fails to be read is there on Linux")
def test_a_file_that_fails_while_it_is_read_is_a_sentence() -> None:
    with pytest.raises(ConvertError, match="cannot be read any more"):
        read_bytes(Path("/proc/self/mem"), 0, 8)


def test_too_little_memory_is_a_sentence(
    base: Path, out: Path, command: Command, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    plain = np.empty
    monkeypatch.setattr(np, "empty", lambda size, *kind: full() if size == 64 * 96 * 4 else plain(size, *kind))
    assert command("gguf", base, "--type", "F32", "--out", out) == 2
    assert capfd.readouterr().err.startswith("There was not enough memory")
    assert list(out.parent.iterdir()) == []


def test_the_file_says_what_it_was_made_from(
    tmp_path: Path, adapter: Path, out: Path, convert: Convert, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = tmp_path / "models--calm--tiny" / "snapshots" / ("ab" * 20)
    write_checkpoint(snapshot, Shape(), shards=2)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    convert(snapshot, "Q8_0", adapter=adapter)
    metadata = read_metadata(out)
    files = sorted(snapshot.glob("*.safetensors"))
    expected = {
        "quietroom.base.name": "calm/tiny", "quietroom.base.revision": "ab" * 20,
        "quietroom.base.files": [file.name for file in files],
        "quietroom.base.sha256": [file_hash(file) for file in files],
        "quietroom.adapter.names": ["calm"], "quietroom.adapter.revisions": [""],
        "quietroom.adapter.sha256": [file_hash(adapter / "adapter_model.safetensors")],
        "quietroom.recipe": "Q8_0", "quietroom.date": "2023-11-14T22:13:20+00:00",
        "quietroom.tensors.sha256": [hashlib.sha256(data).hexdigest() for _, _, data in read_tensors(out).values()],
    }  # fmt: skip
    assert {key: metadata.get(key) for key in expected} == expected
    assert str(tmp_path).encode() not in out.read_bytes()
    first = out.read_bytes()
    out.unlink()
    convert(snapshot, "Q8_0", adapter=adapter, threads=5)
    assert out.read_bytes() == first


@pytest.mark.parametrize("epoch", ["yesterday", "9" * 30])
def test_a_date_that_is_none_is_told(base: Path, out: Path, epoch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    with pytest.raises(ConvertError, match="SOURCE_DATE_EPOCH"):
        make_plan(Job(base, (), "F32", out))


def test_the_plan_is_told_and_nothing_is_written(
    base: Path, adapter: Path, tmp_path: Path, command: Command, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert command("plan", base, "--adapter", adapter, "--type", "Q4_0") == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].split() == ["1", "token_embd.weight", "399", "x", "64", "Q4_0", "0.0", "MB"]
    assert any(line.split()[:2] == ["2", "blk.*.attn_q.weight"] for line in lines)
    assert lines[-3].startswith("File: 0.1 MB in 21 tensors, 14 of them with adapters merged in")
    assert lines[-2].startswith("Memory: about ")
    assert lines[-1].startswith("Time: about ")
    assert list((tmp_path / "empty").iterdir()) == []
    assert open_folder(base).tensors
