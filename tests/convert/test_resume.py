import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import gguf
import pytest
from support.halted import DEEP, start_and_stop_midway
from support.llama_judge import read_tensors
from support.tiny_model import write_checkpoint

from convert.gguf_out import journal_path, part_path
from convert.journal import Journal

Command = Callable[..., int]
KILLS = int(os.environ.get("CONVERT_KILLS", "10"))


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deep") / "deep"
    write_checkpoint(folder, DEEP)
    return folder


@pytest.fixture
def whole(deep: Path, tmp_path: Path, command: Command) -> bytes:
    """The file as a run that nothing disturbs writes it."""
    (tmp_path / "whole").mkdir()
    path = tmp_path / "whole" / "model.gguf"
    assert command("gguf", deep, "--type", "Q8_0", "--out", path) == 0
    return path.read_bytes()


@pytest.fixture
def killed(deep: Path, out: Path, module: list[str]) -> Path:
    """Where a run that was killed midway should have written; its leftovers lie there."""
    process, _ = start_and_stop_midway(module, deep, out, "Q8_0")
    process.kill()
    process.communicate()
    return out


def test_a_killed_run_is_taken_up_to_the_same_bytes(
    deep: Path, killed: Path, whole: bytes, command: Command, capfd: pytest.CaptureFixture[str]
) -> None:
    finished = len(journal_path(killed).read_text().splitlines()) - 1
    assert finished > 0
    assert command("gguf", deep, "--type", "Q8_0", "--out", killed, "--progress", "json") == 0
    assert killed.read_bytes() == whole
    assert list(killed.parent.iterdir()) == [killed]
    told = [json.loads(line)["tensor"] for line in capfd.readouterr().err.splitlines() if '"wrote"' in line]
    assert sorted(told) == sorted(read_tensors(killed))


def test_what_is_noted_is_checked_before_it_is_kept(
    deep: Path, killed: Path, whole: bytes, command: Command, tmp_path: Path
) -> None:
    places = offsets(tmp_path / "whole" / "model.gguf")
    kept, damaged = (json.loads(line)["tensor"] for line in journal_path(killed).read_text().splitlines()[1:3])
    with part_path(killed).open("r+b") as part:
        part.seek(places[damaged])
        part.write(b"\xff\xff\xff\xff")
        part.seek(places[kept])
        assert part.read(4) == whole[places[kept] :][:4]
    inode = part_path(killed).stat().st_ino
    assert command("gguf", deep, "--type", "Q8_0", "--out", killed) == 0
    assert killed.stat().st_ino == inode
    assert killed.read_bytes() == whole


def offsets(path: Path) -> dict[str, int]:
    """Where the bytes of each tensor begin."""
    return {tensor.name: int(tensor.data_offset) for tensor in gguf.GGUFReader(path).tensors}


@pytest.mark.parametrize("change", ["type", "base", "torn journal", "no journal"])
def test_leftovers_of_another_job_are_not_used(
    deep: Path, killed: Path, whole: bytes, command: Command, change: str, tmp_path: Path
) -> None:
    base, recipe, expected = deep, "Q8_0", whole
    if change == "type":
        recipe, expected = "F16", b""
    elif change == "base":
        base = tmp_path / "deep"
        write_checkpoint(base, DEEP)
        os.utime(base / "model.safetensors", ns=(1, 1))
    elif change == "torn journal":
        journal = journal_path(killed)
        journal.write_bytes(journal.read_bytes()[:-10] + b"\xff\x00rubbish\n[]\n{}")
    else:
        journal_path(killed).unlink()
    assert command("gguf", base, "--type", recipe, "--out", killed) == 0
    assert list(killed.parent.iterdir()) == [killed]
    if expected:
        assert killed.read_bytes() == expected
    else:
        fresh = tmp_path / "fresh.gguf"
        assert command("gguf", base, "--type", recipe, "--out", fresh) == 0
        assert killed.read_bytes() == fresh.read_bytes()


def test_a_journal_of_another_job_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    Journal(path, "one").start({"a": b"1", "b": b"2"})
    Journal(path, "one").add("c", b"3")
    assert Journal(path, "one").read() == {"a": b"1", "b": b"2", "c": b"3"}
    assert Journal(path, "two").read() == {}


def test_a_second_conversion_to_the_same_file_is_refused(
    deep: Path, out: Path, module: list[str], command: Command, capfd: pytest.CaptureFixture[str]
) -> None:
    process, _ = start_and_stop_midway(module, deep, out, "Q8_0")
    assert command("gguf", deep, "--type", "F16", "--out", out) == 2
    assert "is being written by another conversion" in capfd.readouterr().err
    output, _ = process.communicate()
    assert process.returncode == 0
    assert output.startswith(b"Wrote")
    assert list(out.parent.iterdir()) == [out]


def test_a_stop_after_the_file_has_its_name_says_so(
    base: Path, out: Path, command: Command, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.replace

    def interrupted(path: Path, target: Path) -> None:
        rename(path, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    assert command("gguf", base, "--type", "F32", "--out", out) == 130
    assert capfd.readouterr().err == f"Stopped; {out} was whole by then.\n"
    assert list(out.parent.iterdir()) == [out]
    assert len(read_tensors(out)) == 21


def test_kills_at_random_moments_leave_a_whole_file_or_none(
    deep: Path, out: Path, whole: bytes, module: list[str], command: Command
) -> None:
    """Each attempt is killed at a moment of its own, the next one takes up what is left; CONVERT_KILLS times."""
    random_moments = random.Random(11)
    longest, kills = 0.2, 0
    while kills < KILLS:
        process = subprocess.Popen(
            [*module, "gguf", str(deep), "--type", "Q8_0", "--out", str(out), "--progress", "json", "--overwrite"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
        )  # fmt: skip
        assert process.stderr is not None
        assert b'"started"' in process.stderr.readline()
        start = time.monotonic()
        try:
            process.wait(random_moments.uniform(0, 1.2 * longest))
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
        if process.returncode == 0:
            longest = max(longest, time.monotonic() - start)
        else:
            assert process.returncode == -signal.SIGKILL
            kills += 1
        if out.exists():
            assert out.read_bytes() == whole
        if process.returncode == 0:
            assert list(out.parent.iterdir()) == [out]
            out.unlink()
    assert {path.name for path in out.parent.iterdir()} <= {out.name, part_path(out).name, journal_path(out).name}
    assert command("gguf", deep, "--type", "Q8_0", "--out", out, "--overwrite") == 0
    assert out.read_bytes() == whole
    assert list(out.parent.iterdir()) == [out]
