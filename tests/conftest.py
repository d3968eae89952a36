"""A screen of our own for every test, a home of our own, and one tiny model for all."""

import os
import subprocess
from pathlib import Path

import pytest
from support.tiny_model import tiny_gguf


def pytest_configure(config: pytest.Config) -> None:
    """Starts Xvfb before Qt asks for a screen; the real window is tested on a real, if invisible, one."""
    ready, told = os.pipe()
    command = ["Xvfb", "-displayfd", str(told), "-screen", "0", "1280x900x24", "-nolisten", "tcp"]
    screen = subprocess.Popen(command, pass_fds=[told], stderr=subprocess.DEVNULL)
    os.close(told)
    with os.fdopen(ready) as pipe:
        os.environ["DISPLAY"] = f":{pipe.readline().strip()}"
    os.environ.pop("WAYLAND_DISPLAY", None)
    os.environ.pop("QT_QPA_PLATFORM", None)
    # No test speaks to the desktop that it runs on.
    os.environ["DBUS_SESSION_BUS_ADDRESS"] = "disabled:"

    def close() -> None:
        screen.terminate()
        screen.wait()

    config.add_cleanup(close)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test may come near the person's own folders."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that talks on for as long as one listens."""
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    tiny_gguf(path)
    return path
