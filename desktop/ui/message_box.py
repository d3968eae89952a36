"""The box that is written in: it grows with the words, Enter sends. Never keeps or sends anything itself."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QPlainTextEdit

from desktop import i18n

LINES_AT_MOST = 8


class MessageBox(QPlainTextEdit):
    """`submitted(text)` on Enter; Shift+Enter breaks the line. The words stay until `clear` is called."""

    submitted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setPlaceholderText(i18n.text("chat.placeholder"))
        self.setAccessibleName(i18n.text("chat.input"))
        self.setTabChangesFocus(True)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.textChanged.connect(self._grow)
        self._grow()

    def submit(self) -> None:
        """Hands on what is written, if anything is."""
        if self.toPlainText().strip():
            self.submitted.emit(self.toPlainText())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter sends; with Shift it breaks the line."""
        is_enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if is_enter and not event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.submit()
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """A narrower box needs more lines."""
        super().resizeEvent(event)
        self._grow()

    def _grow(self) -> None:
        # A QPlainTextDocumentLayout measures in lines, wrapped ones counted.
        lines = min(max(int(self.document().size().height()), 2), LINES_AT_MOST)
        margins = self.contentsMargins()
        frame = margins.top() + margins.bottom() + 2 * int(self.document().documentMargin()) + 2
        self.setFixedHeight(lines * self.fontMetrics().lineSpacing() + frame + 8)
