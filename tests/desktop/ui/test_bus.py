"""What the desktop tells: the screen is locked, the computer sleeps, another window was started."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtDBus import QDBusConnection, QDBusMessage
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from support.bus import private_bus
from support.programs import BIN, PATIENCE

from desktop.app.home import Home
from desktop.flows.bus import DesktopBus, ask_forward, ask_lock
from desktop.store.database import ByPassphrase, Vault
from desktop.store.keys import Cost

WORDS = "four quiet garden words"


class Desktop:
    """A bus, a locked journal's open window on it, and somebody else on the bus."""

    def __init__(self, address: str, folder: Path, model: Path, application: QApplication) -> None:
        self.address, self.folder = address, folder
        way = ByPassphrase(WORDS, Cost())
        Vault.open(folder, way).close()
        self.ours = QDBusConnection.connectToBus(address, "ours")
        self.system = QDBusConnection.connectToBus(address, "system")
        self.other = QDBusConnection.connectToBus(address, "other")
        assert self.other.registerService("org.freedesktop.login1")
        self.bus = DesktopBus(folder, self.ours, self.system)
        self.home = Home(application, folder, model, self.bus)
        self.home.show(way)

    def tell(self, path: str, interface: str, name: str, *values: object) -> None:
        message = QDBusMessage.createSignal(path, interface, name)
        message.setArguments(list(values))
        assert self.other.send(message)

    def close(self) -> None:
        self.home.close()
        for name in ("ours", "system", "other"):
            QDBusConnection.disconnectFromBus(name)


@pytest.fixture
def desktop(tmp_path: Path, tiny: Path, qapp: QApplication) -> Iterator[Desktop]:
    with private_bus() as address:
        one = Desktop(address, tmp_path / "journal", tiny, qapp)
        yield one
        one.close()


@pytest.mark.parametrize(
    ("path", "interface", "name", "values"),
    [
        ("/org/freedesktop/ScreenSaver", "org.freedesktop.ScreenSaver", "ActiveChanged", [True]),
        ("/org/gnome/ScreenSaver", "org.gnome.ScreenSaver", "ActiveChanged", [True]),
        ("/org/freedesktop/login1", "org.freedesktop.login1.Manager", "PrepareForSleep", [True]),
        ("/org/freedesktop/login1/session/_31", "org.freedesktop.login1.Session", "Lock", []),
    ],
)
def test_it_locks_with_the_screen_and_before_sleep(
    desktop: Desktop, qtbot: QtBot, path: str, interface: str, name: str, values: list[object]
) -> None:
    assert desktop.home.window
    desktop.tell(path, interface, name, *values)
    qtbot.waitUntil(lambda: desktop.home.window is None, timeout=10_000)
    assert desktop.home.rooms is None


def test_waking_and_unlocking_the_screen_lock_nothing(desktop: Desktop, qtbot: QtBot) -> None:
    told: list[bool] = []
    desktop.tell("/org/freedesktop/ScreenSaver", "org.freedesktop.ScreenSaver", "ActiveChanged", False)
    desktop.tell("/org/freedesktop/login1", "org.freedesktop.login1.Manager", "PrepareForSleep", False)
    desktop.bus.forward_wanted.connect(lambda: told.append(True))
    assert ask_forward(desktop.folder, desktop.other)
    qtbot.waitUntil(lambda: bool(told), timeout=10_000)
    assert desktop.home.window


def test_a_second_window_asks_the_first_to_come_forward(desktop: Desktop, qtbot: QtBot) -> None:
    assert desktop.home.window
    desktop.home.window.showMinimized()
    with subprocess.Popen(
        [BIN / "quietroom", "--data-dir", desktop.folder],
        env={**os.environ, "DBUS_SESSION_BUS_ADDRESS": desktop.address},
        stderr=subprocess.PIPE,
    ) as second:
        qtbot.waitUntil(lambda: second.poll() is not None, timeout=int(PATIENCE * 1000))
        assert second.returncode == 0
        assert second.stderr
        assert b"asked to come forward" in second.stderr.read()
    assert not desktop.home.window.windowState() & Qt.WindowState.WindowMinimized


def test_lock_from_the_terminal(desktop: Desktop, qtbot: QtBot) -> None:
    with subprocess.Popen(
        [BIN / "quietroom", "lock", "--data-dir", desktop.folder],
        env={**os.environ, "DBUS_SESSION_BUS_ADDRESS": desktop.address},
        stderr=subprocess.PIPE,
    ) as asked:
        qtbot.waitUntil(lambda: asked.poll() is not None, timeout=int(PATIENCE * 1000))
        assert asked.returncode == 0
    qtbot.waitUntil(lambda: desktop.home.window is None, timeout=10_000)


def test_nobody_is_asked_where_nobody_is(desktop: Desktop, tmp_path: Path) -> None:
    assert not ask_forward(tmp_path / "another", desktop.ours)
    assert not ask_lock(tmp_path / "another", desktop.ours)
    nowhere = QDBusConnection.connectToBus(f"unix:path={tmp_path}/none", "nowhere")
    assert not ask_forward(desktop.folder, nowhere)
    done = subprocess.run(
        [BIN / "quietroom", "lock", "--data-dir", tmp_path / "another"],
        env={**os.environ, "DBUS_SESSION_BUS_ADDRESS": desktop.address},
        capture_output=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert b"none is open on this journal" in done.stderr
