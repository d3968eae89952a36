"""What the tests of the converter share: the tiny model on disk, and the command line."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.llama_judge import Llama
from support.tiny_model import write_adapter, write_checkpoint

from convert import cli
from convert.merging import AdapterChoice
from convert.pipeline import Job, Report, make_plan, run
from convert.progress import Silent

Command = Callable[..., int]


@pytest.fixture
def llama(tmp_path: Path) -> Llama:
    return Llama(tmp_path)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint; not to be changed."""
    folder = tmp_path_factory.mktemp("base") / "tiny"
    write_checkpoint(folder)
    return folder


@pytest.fixture(scope="session")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter for the tiny checkpoint; not to be changed."""
    folder = tmp_path_factory.mktemp("adapter") / "calm"
    write_adapter(folder)
    return folder


@pytest.fixture
def own_base(tmp_path: Path) -> Path:
    """A tiny checkpoint that the test may change."""
    write_checkpoint(tmp_path / "own")
    return tmp_path / "own"


@pytest.fixture
def own_adapter(tmp_path: Path) -> Path:
    """An adapter that the test may change."""
    write_adapter(tmp_path / "own-adapter")
    return tmp_path / "own-adapter"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where the converted file goes: alone in its folder."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "model.gguf"


@pytest.fixture
def command() -> Iterator[Command]:
    """The command line in this process, with the signals put back afterwards."""
    before = signal.getsignal(signal.SIGTERM)
    yield lambda *arguments: cli.main([str(argument) for argument in arguments])
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def refused(command: Command, out: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run `gguf` on bad input and return its sentence, having checked that it is one and that nothing is left."""

    def check(base: Path, *arguments: object, recipe: str = "F32", target: Path = out, left: int = 0) -> str:
        capfd.readouterr()
        assert command("gguf", base, "--type", recipe, "--out", target, "--progress", "none", *arguments) == 2
        output, errors = capfd.readouterr()
        assert output == ""
        assert errors.endswith(".\n") or "--help" in errors
        assert errors.count("\n") == 1
        assert len(list(out.parent.iterdir())) == left
        return errors

    return check


@pytest.fixture
def convert(out: Path) -> Callable[..., Report]:
    """Convert in this process."""

    def run_job(base: Path, recipe: str, adapter: Path | None = None, path: Path = out, threads: int = 2) -> Report:
        adapters = (AdapterChoice(adapter),) if adapter else ()
        return run(make_plan(Job(base, adapters, recipe, path, threads)), Silent())

    return run_job


@pytest.fixture
def module() -> list[str]:
    """The program as another process."""
    return [sys.executable, "-m", "convert"]


@pytest.fixture(scope="session")
def tmpfs() -> list[str]:
    """The start of a command that sees a small disk: followed by its size, its folder and what to run there.

    The disk is real but mounted in a namespace of its own, and gone with the command.
    """
    unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]
    if subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    script = 'mount -t tmpfs -o "size=$1" tmpfs "$2" && shift 2 && exec "$@"'
    return [*unshare, "sh", "-c", script, "sh"]
