"""One job at a time in the work child. Never knows what a job is about."""

from typing import Any

from PySide6.QtCore import QObject, Signal

from desktop.errors import UserError
from desktop.process import JsonProcess


class Worker(QObject):
    """`done(outcome)` or `failed(UserError)` follows each `ask`, unless another or `close` came first."""

    done = Signal(dict)
    failed = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._process = JsonProcess("desktop.work", self)
        self._process.received.connect(self._hear)
        self._process.ended.connect(lambda: self.failed.emit(UserError("work_ended")))

    def ask(self, job: str, **request: object) -> None:
        """Starts a job and drops the one under way; returns at once."""
        self._process.close()
        self._process.start()
        self._process.send({"do": job, **request})

    def close(self) -> None:
        """Drops what is under way; a job leaves nothing half-written."""
        self._process.close()

    def _hear(self, message: dict[str, Any]) -> None:
        self._process.close()
        match message:
            case {"event": "failed", "code": str(code), "details": dict(details)}:
                self.failed.emit(UserError(code, **details))
            case {"event": "done"}:
                self.done.emit(message)
