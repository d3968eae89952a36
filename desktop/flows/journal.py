"""Looking back and taking out: the list of talks, and exports. Never writes a file in the window's process."""

from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from desktop.errors import UserError
from desktop.process import JsonProcess
from desktop.records import Session
from desktop.store.chats import Chats


class JournalFlow(QObject):
    """`exported(path)` or `failed(UserError)` follow each `export`."""

    exported = Signal(str)
    failed = Signal(object)

    def __init__(self, chats: Chats, folder: Path, key: bytes) -> None:
        super().__init__()
        self._chats = chats
        self._folder = folder
        self._key = key
        self._work = JsonProcess("desktop.work", self)
        self._work.received.connect(self._hear)
        self._work.ended.connect(lambda: self.failed.emit(UserError("work_ended")))

    def sessions(self, limit: int) -> list[Session]:
        """The talks last written in, the newest first."""
        return self._chats.sessions(limit)

    def export(self, format_name: str, out: Path) -> None:
        """Has all talks written to `out`, over what is there; the person was asked. Returns at once."""
        if self._work.is_running:
            self._work.close()
        self._work.start()
        self._work.send(
            {
                "do": "export",
                "folder": str(self._folder),
                "key": self._key.hex(),
                "format_name": format_name,
                "out": str(out),
                "overwrite": True,
            }
        )

    def close(self) -> None:
        """Ends an export under way; nothing half-written stays under its name."""
        self._work.close()

    def _hear(self, message: dict[str, Any]) -> None:
        self._work.close()
        match message:
            case {"event": "done", "path": str(path)}:
                self.exported.emit(path)
            case {"event": "failed", "code": str(code), "details": dict(details)}:
                self.failed.emit(UserError(code, **details))
