"""How long the window is ever blocked: every event of a real talk is timed. Never touches the person's folder."""

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QApplication

LONG_PASTE = "word " * 40_000


class TimedApplication(QApplication):
    """Times each event from the outside; `longest` is (milliseconds, what)."""

    def __init__(self, arguments: list[str]) -> None:
        super().__init__(arguments)
        self.longest: list[tuple[float, str]] = []
        self._depth = 0

    def notify(self, receiver: QObject, event: QEvent) -> bool:
        """Delivers an event."""
        with self.timed(f"{type(receiver).__name__} {event.type().name}"):
            return super().notify(receiver, event)

    @contextlib.contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Times a call; those within another are counted with it."""
        self._depth += 1
        began = time.perf_counter()
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                self.longest.append(((time.perf_counter() - began) * 1000, what))

    def until(self, condition: Callable[[], bool]) -> None:
        """Runs the event loop until `condition` holds."""
        while not condition():
            self.processEvents()


def fsync_ms(folder: Path) -> float:
    """The median of nine writes of 4 KiB with fsync on the disk of `folder`."""
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(9):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    return sorted(times)[4]


def summary(application: TimedApplication, folder: Path) -> dict[str, Any]:
    """The five longest calls and the disk's fsync, in milliseconds."""
    longest = sorted(application.longest, reverse=True)[:5]
    return {
        "events": len(application.longest),
        "longest_ms": round(longest[0][0], 1),
        "longest": [f"{ms:.1f} ms {what}" for ms, what in longest],
        "fsync_ms": round(fsync_ms(folder), 2),
    }
