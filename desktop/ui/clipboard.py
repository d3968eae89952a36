"""Takes whole texts off the clipboard again. Never touches what another program put there."""

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer
from PySide6.QtGui import QGuiApplication

COPIED_FOR_MS = 60_000


class Clearing(QObject):
    """Clears the clipboard a minute after the whole of `text()` was copied in this window, if it is still there."""

    def __init__(self, parent: QObject, text: Callable[[], str], milliseconds: int = COPIED_FOR_MS) -> None:
        super().__init__(parent)
        self._text = text
        self._copied = ""
        self._clipboard = QGuiApplication.clipboard()
        self._timer = QTimer(self, interval=milliseconds, singleShot=True)
        self._timer.timeout.connect(self._clear)
        self._clipboard.dataChanged.connect(self._look)

    def _look(self) -> None:
        if not self._clipboard.ownsClipboard():
            self._timer.stop()
            return
        copied = self._clipboard.text()
        if copied.strip() and copied.strip() == self._text().strip():
            self._copied = copied
            self._timer.start()

    def _clear(self) -> None:
        if self._clipboard.ownsClipboard() and self._clipboard.text() == self._copied:
            self._clipboard.clear()
        self._copied = ""
