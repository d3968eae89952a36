"""The real client against a stand-in hub; each fetch is a process of its own, as its settings are read at the start."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.hub import COMMIT, Hub, running
from support.tiny_model import write_adapter, write_checkpoint

REPOSITORY = "calm/tiny"
TOKEN = "hf_a_secret_that_nobody_may_see"
WEIGHTS = "model.safetensors"
LARGE = 24_000_000  # bytes: the client hands on what came in pieces of 10 MB
PIECE = 10 * 1024 * 1024


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("hub")
    write_checkpoint(folder)
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    return found | {"LICENSE.txt": b"do good", "pytorch_model.bin": b"a pickle", "original/params.json": b"{}"}


@pytest.fixture
def hub(files: dict[str, bytes]) -> Iterator[Hub]:
    with running(Hub(REPOSITORY, files)) as hub:
        yield hub


@pytest.fixture
def large_hub(files: dict[str, bytes]) -> Iterator[Hub]:
    with running(Hub(REPOSITORY, files | {WEIGHTS: b"weights " * (LARGE // 8)})) as hub:
        yield hub


Fetch = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Fetch:
    """Start `fetch` against an address with a cache of its own."""

    def run(url: str, *arguments: str, repository: str = REPOSITORY, **settings: str) -> subprocess.Popen[str]:
        known = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
        own = {"HF_ENDPOINT": url, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "*"}
        return subprocess.Popen(
            [sys.executable, "-m", "convert", "fetch", repository, *arguments], env=known | own | settings,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    return run


def fetched(process: subprocess.Popen[str]) -> Path:
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    return Path(output.splitlines()[1])


def refused(process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors.count("\n")) == (2, "", 1), errors
    assert TOKEN not in errors
    return errors


def test_what_is_needed_comes_and_nothing_else(hub: Hub, files: dict[str, bytes], start: Fetch) -> None:
    folder = fetched(start(hub.url))
    assert folder.name == COMMIT
    wanted = set(files) - {"pytorch_model.bin", "original/params.json"}
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {name: files[name] for name in wanted}
    assert not hub.tokens
    # All is there: nothing is fetched twice, with the network or without.
    hub.asked.clear()
    assert fetched(start(hub.url)) == folder
    assert not [line for line in hub.asked if line.startswith("GET") and "/resolve/" in line]
    hub.asked.clear()
    assert fetched(start(hub.url, HF_HUB_OFFLINE="1")) == folder
    assert not hub.asked


def test_an_adapter_comes_without_a_base(tmp_path: Path, start: Fetch) -> None:
    write_adapter(tmp_path / "adapter")
    files = {path.name: path.read_bytes() for path in (tmp_path / "adapter").iterdir()}
    with running(Hub(REPOSITORY, files)) as hub:
        assert "add --adapter" in refused(start(hub.url))
        assert {path.name for path in fetched(start(hub.url, "--adapter")).iterdir()} == set(files)


def test_the_token_goes_to_the_hub_and_is_seen_nowhere_else(hub: Hub, start: Fetch, tmp_path: Path) -> None:
    process = start(hub.url, HF_TOKEN=TOKEN)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert hub.tokens == {f"Bearer {TOKEN}"}
    assert TOKEN not in output + errors
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]


def test_a_dropped_connection_is_taken_up_where_it_broke(large_hub: Hub, start: Fetch) -> None:
    large_hub.drop_at = LARGE * 6 // 10
    assert (fetched(start(large_hub.url)) / WEIGHTS).read_bytes() == large_hub.files[WEIGHTS]
    assert large_hub.ranges == [f"bytes={PIECE}-"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_fetch_interrupted_at_60_percent_goes_on_from_there(
    large_hub: Hub, start: Fetch, tmp_path: Path, number: signal.Signals
) -> None:
    hub = large_hub
    hub.halt_at = LARGE * 6 // 10
    process = start(hub.url)
    assert hub.halted.wait(60)
    deadline = time.monotonic() + 60
    while sum(part.stat().st_size for part in tmp_path.rglob("*.quietroom.part")) < PIECE:
        assert time.monotonic() < deadline
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGKILL: -9}[number]
    assert output == ""
    assert "Traceback" not in errors
    hub.halt_at = 0
    hub.release.set()
    folder = fetched(start(hub.url))
    assert (folder / WEIGHTS).read_bytes() == hub.files[WEIGHTS]
    assert hub.ranges == [f"bytes={PIECE}-"]
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("name", [WEIGHTS, "config.json"])
def test_a_file_that_came_damaged_is_named_and_fetched_anew(
    hub: Hub, files: dict[str, bytes], start: Fetch, name: str
) -> None:
    hub.damaged = frozenset({name})
    assert f"{name} came damaged" in refused(start(hub.url))
    hub.damaged = frozenset()
    digest = hashlib.sha256((fetched(start(hub.url)) / name).read_bytes())
    assert digest.digest() == hashlib.sha256(files[name]).digest()


@pytest.mark.parametrize(
    ("status", "code", "settings", "words"),
    [
        (401, "GatedRepo", {}, "log in with `hf auth login` or set HF_TOKEN"),
        (403, "GatedRepo", {"HF_TOKEN": TOKEN}, "ask for access there"),
        (404, "RepoNotFound", {}, "There is no repository calm/tiny"),
        (401, "", {"HF_TOKEN": TOKEN}, "token"),
        (503, "", {}, "answered 503"),
    ],
)
def test_a_refusal_is_one_sentence(
    hub: Hub, start: Fetch, status: int, code: str, settings: dict[str, str], words: str
) -> None:
    hub.status, hub.code = status, code
    assert words in refused(start(hub.url, **settings))


def test_a_wrong_name_or_revision_is_told(hub: Hub, start: Fetch) -> None:
    assert "is not the name of a repository" in refused(start(hub.url, repository="no name!"))
    assert "There is no repository calm/small" in refused(start(hub.url, repository="calm/small"))
    assert "has no revision v9" in refused(start(hub.url, "--revision", "v9"))


def test_a_repository_of_another_kind_names_what_it_has(start: Fetch) -> None:
    with running(Hub(REPOSITORY, {"config.json": b"{}", "pytorch_model.bin": b"a pickle"})) as hub:
        assert "it has pytorch_model.bin" in refused(start(hub.url))


def test_without_a_network_it_says_so(start: Fetch) -> None:
    with socket.socket() as closed:
        # Bound and never listening: nobody else can answer there.
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        assert f"The connection to {url} failed" in refused(start(url))
    assert "HF_HUB_OFFLINE" in refused(start(url, HF_HUB_OFFLINE="1"))


def test_a_small_disk_is_told_first(hub: Hub, start: Fetch, tmp_path: Path, tmpfs: list[str]) -> None:
    (tmp_path / "small").mkdir()
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "small"), "NO_PROXY": "*"}
    run = subprocess.run(
        [*tmpfs, "100k", str(tmp_path / "small"), sys.executable, "-m", "convert", "fetch", REPOSITORY],
        env=environment, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 2
    assert "MB free; make room or set HF_HOME to another disk" in run.stderr
