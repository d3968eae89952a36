"""Notices that nobody has touched the window for a while. Never records what was done, only that something was."""

from PySide6.QtCore import QEvent, QObject, QTimer, Signal

_SIGNS = frozenset(
    {
        QEvent.Type.KeyPress,
        QEvent.Type.MouseButtonPress,
        QEvent.Type.MouseMove,
        QEvent.Type.Wheel,
        QEvent.Type.TouchBegin,
        QEvent.Type.InputMethod,
    }
)


class Idle(QObject):
    """`idled()` once no key, mouse or touch came for `milliseconds`; install it as the application's event filter."""

    idled = Signal()

    def __init__(self, milliseconds: int) -> None:
        super().__init__()
        self._timer = QTimer(self, interval=milliseconds, singleShot=True)
        self._timer.timeout.connect(self.idled)
        self._timer.start()

    def wait(self, milliseconds: int) -> None:
        """Waits this long from now on."""
        self._timer.start(milliseconds)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Looks on and lets everything pass."""
        if event.type() in _SIGNS:
            self._timer.start()
        return False
