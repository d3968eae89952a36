"""The verbs that compute with llama.cpp do so in a child: what happens to it is told, and it never outlives us."""

import os
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.tiny_model import tiny_gguf

PATIENCE = 60.0
LICENSE = Path(__file__).parent.parent.parent / "LICENSE"


@pytest.fixture(scope="module")
def long_work(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Arguments by verb, for work that takes minutes."""
    folder = tmp_path_factory.mktemp("apart")
    model, text = tiny_gguf(folder / "tiny.gguf", "F32"), folder / "text"
    text.write_text(LICENSE.read_text() * 200)
    common = [str(model), "--text", str(text), "--threads", "1", "--context", "64", "--progress", "json"]
    return {
        "imatrix": ["imatrix", *common, "--out", str(folder / "i.gguf")],
        "measure": ["measure", *common, "--json", str(folder / "m.json")],
    }


@contextmanager
def started(command: list[str]) -> Iterator[tuple[subprocess.Popen[bytes], int, int]]:
    """Start a program that is at work in a child: it, its child's number, and a handle on the child."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr
        assert b'"started"' in process.stderr.readline()
        child = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("ascii").split()[0])
        handle = os.pidfd_open(child)
        yield process, child, handle
        os.close(handle)


def said(process: subprocess.Popen[bytes]) -> tuple[bytes, list[str]]:
    """Return stdout, and stderr without the lines of progress."""
    output, errors = process.communicate()
    return output, [line for line in errors.decode().splitlines() if not line.startswith("{")]


@pytest.mark.parametrize("verb", ["imatrix", "measure"])
@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSEGV, signal.SIGKILL])
def test_a_crash_of_llama_cpp_is_one_sentence(
    verb: str, number: signal.Signals, module: list[str], long_work: dict[str, list[str]], tmp_path: Path
) -> None:
    with started([*module, *long_work[verb]]) as (process, child, _):
        os.kill(child, number)
        output, lines = said(process)
    assert (process.returncode, output, len(lines)) == (2, b"", 1)
    assert f"llama.cpp ended with code {-number}; nothing was written" in lines[0]
    assert not Path(long_work[verb][-1]).exists()


@pytest.mark.parametrize(
    ("number", "code", "lines"),
    [(signal.SIGINT, 130, ["Stopped."]), (signal.SIGTERM, 143, []), (signal.SIGKILL, -signal.SIGKILL, [])],
)
def test_the_child_ends_with_us(
    number: signal.Signals, code: int, lines: list[str], module: list[str], long_work: dict[str, list[str]]
) -> None:
    with started([*module, *long_work["measure"]]) as (process, _, handle):
        process.send_signal(number)
        assert said(process) == (b"", lines)  # the pipes are open for as long as the child lives
        assert process.returncode == code
        assert select.select([handle], [], [], PATIENCE)[0] == [handle]  # readable once it has ended
