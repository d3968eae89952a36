"""What the desktop tells over D-Bus, and one window asking another. Never carries a word of the person.

Suspend: PrepareForSleep of logind (https://systemd.io/INHIBITOR_LOCKS/). Screen lock: Lock of logind's session and
ActiveChanged of the screen saver. Where there is no bus nothing is told, and nobody can be asked.
"""

import hashlib
from pathlib import Path
from typing import cast

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtDBus import QDBus, QDBusConnection, QDBusMessage

_OBJECT = "/window"
_LOGIN = "org.freedesktop.login1"
_SAVERS = ("org.freedesktop.ScreenSaver", "org.gnome.ScreenSaver")
PATIENCE_MS = 2000
# Slots as Qt's SLOT() writes them. The stubs ask for bytes where the binding takes text only.
_LOCK, _LOCK_IF = cast("bytes", "1lock()"), cast("bytes", "1lock_if(bool)")


class DesktopBus(QObject):
    """`lock_wanted()`: the computer goes to sleep, its screen is locked, or another process of ours asks for it.

    `forward_wanted()`: another window was started on this folder.
    """

    lock_wanted = Signal()
    forward_wanted = Signal()

    def __init__(
        self, folder: Path, session: QDBusConnection | None = None, system: QDBusConnection | None = None
    ) -> None:
        super().__init__()
        self._session = session or QDBusConnection.sessionBus()
        self._system = system or QDBusConnection.systemBus()
        self._name = _name(folder)
        if self._session.isConnected():
            for saver in _SAVERS:
                self._session.connect("", "", saver, "ActiveChanged", self, _LOCK_IF)
            self._session.registerObject(_OBJECT, self, QDBusConnection.RegisterOption.ExportAllSlots)
            self._session.registerService(self._name)
        if self._system.isConnected():
            manager, one_session = f"{_LOGIN}.Manager", f"{_LOGIN}.Session"
            self._system.connect(_LOGIN, "", manager, "PrepareForSleep", self, _LOCK_IF)
            self._system.connect(_LOGIN, "", one_session, "Lock", self, _LOCK)

    def close(self) -> None:
        """Can no longer be asked."""
        if self._session.isConnected():
            self._session.unregisterService(self._name)
            self._session.unregisterObject(_OBJECT)

    @Slot(bool)
    def lock_if(self, is_leaving: bool) -> None:
        """The screen was locked or opened, the computer goes to sleep or wakes."""
        if is_leaving:
            self.lock_wanted.emit()

    @Slot()
    def lock(self) -> None:
        """It shall be locked now."""
        self.lock_wanted.emit()

    @Slot()
    def come_forward(self) -> None:
        """Somebody looks for this window."""
        self.forward_wanted.emit()


def ask_forward(folder: Path, session: QDBusConnection | None = None) -> bool:
    """Asks the window that is open on `folder` to come forward; False where there is none, or no bus."""
    return _ask(folder, "come_forward", session)


def ask_lock(folder: Path, session: QDBusConnection | None = None) -> bool:
    """Asks the window that is open on `folder` to lock; False where there is none, or no bus."""
    return _ask(folder, "lock", session)


def _ask(folder: Path, what: str, session: QDBusConnection | None) -> bool:
    bus = session or QDBusConnection.sessionBus()
    if not bus.isConnected() or not bus.interface().isServiceRegistered(_name(folder)).value():
        return False
    message = QDBusMessage.createMethodCall(_name(folder), _OBJECT, "", what)
    answer = bus.call(message, QDBus.CallMode.BlockWithGui, PATIENCE_MS)
    return answer.type() == QDBusMessage.MessageType.ReplyMessage


def _name(folder: Path) -> str:
    """A name for the window on this folder that tells nobody which folder it is."""
    return "app.quietroom.on_" + hashlib.sha256(bytes(folder.resolve())).hexdigest()[:24]
