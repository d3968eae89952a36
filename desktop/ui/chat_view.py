"""What was said, as it is said. Never changes or asks for anything; it paints what was kept."""

from collections import deque

from PySide6.QtCore import QTimer, QUrl, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextFrameFormat,
    QTextLength,
)
from PySide6.QtWidgets import QTextBrowser

from desktop import i18n
from desktop.records import Message, Role, State
from desktop.ui.theme import Theme

# More is shown on demand: laying out a whole year at once would block the window.
SHOWN_MESSAGES = 60
SHOWN_CHARACTERS = 4000
PAINTED_AT_ONCE = 10


class ChatView(QTextBrowser):
    """The talk as a scrolling page. `earlier_wanted()`: the link above the first shown message was chosen."""

    earlier_wanted = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._due: deque[Message] = deque()
        self._shown_characters = 0
        self.setAccessibleName(i18n.text("chat.transcript"))
        self.setOpenLinks(False)
        self.setUndoRedoEnabled(False)
        self.anchorClicked.connect(self._follow)
        self.document().setDocumentMargin(12)
        self.show_messages([], 0, i18n.text("chat.empty"))

    def dress(self, theme: Theme) -> None:
        """Takes other colours for what is painted from now on."""
        self._theme = theme

    def show_messages(self, messages: list[Message], earlier: int, when_empty: str = "") -> None:
        """Paints a talk anew, a few messages each time the event loop comes round; `earlier` more exist.

        `when_empty` stands where there are none.
        """
        self.clear()
        self._due.clear()
        if not messages and when_empty:
            self._add_line(when_empty)
        if earlier:
            cursor = self._end()
            link = self._character_format(self._theme.accent)
            link.setAnchor(True)
            link.setAnchorHref("earlier:")
            cursor.insertText(i18n.text("chat.earlier"), link)
        self._due.extend(messages)
        self._paint_due()

    def add(self, message: Message) -> None:
        """Adds a message at the end; what is still due is painted before it."""
        while self._due:
            self._paint(self._due.popleft())
        self._paint(message)
        self._scroll_to_end()

    def begin(self, message: Message) -> None:
        """Adds the heading of an answer; its words follow by `grow`."""
        while self._due:
            self._paint(self._due.popleft())
        self._shown_characters = 0
        self._open(message)
        self._scroll_to_end()

    def grow(self, text: str) -> None:
        """Adds words to the answer begun last."""
        follows = self.verticalScrollBar().value() >= self.verticalScrollBar().maximum() - 4
        room = SHOWN_CHARACTERS - self._shown_characters
        if room > 0:
            self._end().insertText(text[:room], self._character_format(self._theme.text))
            self._shown_characters += len(text)
        if follows:
            self._scroll_to_end()

    def mark_interrupted(self) -> None:
        """Says that the answer begun last is not whole."""
        words = i18n.text("chat.stopped")
        self._end().insertText(f"  ({words})", self._character_format(self._theme.muted))

    def _paint_due(self) -> None:
        for _ in range(min(PAINTED_AT_ONCE, len(self._due))):
            self._paint(self._due.popleft())
        self._scroll_to_end()
        if self._due:
            QTimer.singleShot(0, self._paint_due)

    def _paint(self, message: Message) -> None:
        self._open(message)
        cursor = self._end()
        cursor.insertText(message.text[:SHOWN_CHARACTERS], self._character_format(self._theme.text))
        if len(message.text) > SHOWN_CHARACTERS:
            rest = i18n.text("chat.shown_in_part", count=len(message.text))
            cursor.insertText(f" {rest}", self._character_format(self._theme.muted))
        if message.state == State.INTERRUPTED:
            self.mark_interrupted()

    def _open(self, message: Message) -> None:
        """A frame of its own for each message, with who wrote it as the first line."""
        cursor = QTextCursor(self.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        is_own = message.role == Role.USER
        frame = QTextFrameFormat()
        frame.setBackground(QColor(self._theme.own if is_own else self._theme.base))
        frame.setPadding(10)
        frame.setTopMargin(6)
        frame.setBottomMargin(6)
        frame.setLeftMargin(80 if is_own else 0)
        frame.setRightMargin(0 if is_own else 80)
        frame.setBorder(0)
        frame.setWidth(QTextLength(QTextLength.Type.VariableLength, 0))
        # Between two frames Qt keeps an empty line of its own; it shall not gape.
        gap = QTextBlockFormat()
        gap.setLineHeight(1, QTextBlockFormat.LineHeightTypes.FixedHeight.value)
        cursor.setBlockFormat(gap)
        inner = cursor.insertFrame(frame)
        heading = {Role.USER: "chat.you", Role.ASSISTANT: "chat.companion", Role.WRITTEN: "chat.written"}
        cursor = inner.firstCursorPosition()
        label = self._character_format(self._theme.muted)
        label.setFontWeight(QFont.Weight.DemiBold)
        cursor.insertText(i18n.text(heading[message.role]), label)
        spaced = QTextBlockFormat()
        spaced.setLineHeight(125, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
        cursor.insertBlock(spaced)
        self._last_frame = inner

    def _end(self) -> QTextCursor:
        """A cursor at the end of the last message."""
        if self.document().rootFrame().childFrames():
            return self._last_frame.lastCursorPosition()
        cursor = QTextCursor(self.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        return cursor

    def _add_line(self, text: str) -> None:
        self._end().insertText(text, self._character_format(self._theme.muted))

    def _character_format(self, colour: str) -> QTextCharFormat:
        form = QTextCharFormat()
        form.setForeground(QColor(colour))
        return form

    def _scroll_to_end(self) -> None:
        self.verticalScrollBar().setValue(self.verticalScrollBar().maximum())

    def _follow(self, url: QUrl) -> None:
        if url.scheme() == "earlier":
            self.earlier_wanted.emit()
