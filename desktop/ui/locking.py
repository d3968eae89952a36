"""Unlocking, and choosing how the journal is locked. Never sees a key, never keeps a passphrase or a code."""

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QFont, QGuiApplication, QTextDocument
from PySide6.QtPrintSupport import QPrintDialog, QPrinter
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from desktop import i18n
from desktop.errors import UserError
from desktop.settings import SHORTEST_PASSPHRASE

# Which groups of the code are asked back: enough to know that it was written down, not a chore.
ASKED_GROUPS = (2, 7)
COPIED_FOR_MS = 60_000


class UnlockDialog(QDialog):
    """Asks for the passphrase, or for the recovery code. `tried(words, is_code)`; it stays until `accept`.

    `login_tried()`: the login shall open it, where it may.
    """

    tried = Signal(str, bool)
    login_tried = Signal()

    def __init__(self, parent: QWidget | None = None, *, opens_by_login: bool = False) -> None:
        super().__init__(parent)
        self.setWindowTitle(i18n.text("chat.window_title"))
        self._is_code = False
        self._text = _text("unlock.text")
        self.words = QLineEdit()
        self.words.setEchoMode(QLineEdit.EchoMode.Password)
        self.words.setAccessibleName(i18n.text("unlock.passphrase"))
        self.words.returnPressed.connect(self._try)
        self.notice = _text()
        self.notice.setObjectName("notice")
        self.notice.hide()
        self.open_button = QPushButton(i18n.text("unlock.open"))
        self.open_button.setObjectName("primary")
        self.open_button.clicked.connect(self._try)
        self.other = QPushButton(i18n.text("unlock.use_code"))
        self.other.setAutoDefault(False)
        self.other.clicked.connect(self._switch)
        self.login = QPushButton(i18n.text("unlock.use_login"))
        self.login.setAutoDefault(False)
        self.login.setVisible(opens_by_login)
        self.login.clicked.connect(self._try_login)
        row = QHBoxLayout()
        row.addWidget(self.other)
        row.addWidget(self.login)
        row.addStretch()
        row.addWidget(self.open_button)
        _fill(self, self._text, self.words, self.notice, row)

    def refuse(self, error: UserError) -> None:
        """Says why it did not open."""
        self._show(i18n.error_text(error))
        self._wait(False)
        self.words.selectAll()
        self.words.setFocus()

    def _try(self) -> None:
        if self.words.text():
            self._show(i18n.text("unlock.opening"))
            self._wait(True)
            self.tried.emit(self.words.text(), self._is_code)

    def _try_login(self) -> None:
        self._show(i18n.text("unlock.opening"))
        self._wait(True)
        self.login_tried.emit()

    def _switch(self) -> None:
        self._is_code = not self._is_code
        self.words.clear()
        mode = QLineEdit.EchoMode.Normal if self._is_code else QLineEdit.EchoMode.Password
        self.words.setEchoMode(mode)
        self.words.setAccessibleName(i18n.text("unlock.code" if self._is_code else "unlock.passphrase"))
        self._text.setText(i18n.text("unlock.text_code" if self._is_code else "unlock.text"))
        self.other.setText(i18n.text("unlock.use_passphrase" if self._is_code else "unlock.use_code"))
        self.words.setFocus()

    def _show(self, words: str) -> None:
        self.notice.setText(words)
        self.notice.show()
        self.notice.setMinimumHeight(self.notice.heightForWidth(self.words.width()))

    def _wait(self, is_waiting: bool) -> None:
        for widget in (self.words, self.open_button, self.other, self.login):
            widget.setEnabled(not is_waiting)


class PassphraseDialog(QDialog):
    """Asks for a new passphrase, twice. `chosen(passphrase)`; the other way out leaves things as they are."""

    chosen = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(i18n.text("unlock.set_title"))
        self.first, self.second = QLineEdit(), QLineEdit()
        for line, name in ((self.first, "unlock.new"), (self.second, "unlock.again")):
            line.setEchoMode(QLineEdit.EchoMode.Password)
            line.setPlaceholderText(i18n.text(name))
            line.setAccessibleName(i18n.text(name))
            line.textChanged.connect(self._judge)
        self.hint = _text()
        self.hint.setObjectName("muted")
        self.lock = QPushButton(i18n.text("unlock.set"))
        self.lock.setObjectName("primary")
        self.lock.clicked.connect(self._choose)
        self.later = QPushButton(i18n.text("unlock.later"))
        self.later.setAutoDefault(False)
        self.later.clicked.connect(self.reject)
        row = QHBoxLayout()
        row.addStretch()
        row.addWidget(self.later)
        row.addWidget(self.lock)
        _fill(self, _text("unlock.set_text"), self.first, self.second, self.hint, row)
        self._judge()

    def _judge(self) -> None:
        first, second = self.first.text(), self.second.text()
        is_short, is_other = len(first) < SHORTEST_PASSPHRASE, first != second
        self.lock.setEnabled(not is_short and not is_other)
        hint = "unlock.hint_short" if is_short else "unlock.hint_differs" if is_other else "unlock.hint_good"
        self.hint.setText(i18n.text(hint, least=SHORTEST_PASSPHRASE) if is_short else i18n.text(hint))

    def _choose(self) -> None:
        self.chosen.emit(self.first.text())
        self.first.clear()
        self.second.clear()
        self.accept()


class CodeDialog(QDialog):
    """Shows the recovery code once, and closes when two of its groups were written back."""

    def __init__(self, parent: QWidget, code: str) -> None:
        super().__init__(parent)
        self.setWindowTitle(i18n.text("unlock.code_title"))
        self._groups = code.split("-")
        self._shown = QLabel("\n".join("  ".join(self._groups[start : start + 4]) for start in (0, 4)))
        font = QFont("monospace")
        font.setStyleHint(QFont.StyleHint.Monospace)
        font.setPointSize(font.pointSize() + 6)
        self._shown.setFont(font)
        self._shown.setAccessibleName(" ".join(" ".join(group) for group in self._groups))
        print_it = QPushButton(i18n.text("unlock.print"))
        print_it.clicked.connect(self._print)
        copy = QPushButton(i18n.text("unlock.copy"))
        copy.clicked.connect(self._copy)
        row = QHBoxLayout()
        row.addWidget(print_it)
        row.addWidget(copy)
        row.addStretch()
        self.answers = [QLineEdit() for _ in ASKED_GROUPS]
        asked = QHBoxLayout()
        for number, line in zip(ASKED_GROUPS, self.answers, strict=True):
            line.setPlaceholderText(i18n.text("unlock.group", number=number))
            line.setAccessibleName(i18n.text("unlock.group", number=number))
            line.textChanged.connect(self._judge)
            asked.addWidget(line)
        self.buttons = QDialogButtonBox()
        self.done_button = self.buttons.addButton(i18n.text("unlock.code_done"), QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.accepted.connect(self.accept)
        _fill(self, _text("unlock.code_text"), self._shown, row, _text("unlock.code_ask"), asked, self.buttons)
        self._judge()

    def reject(self) -> None:
        """Escape does not close it: the code is shown only here, only now."""

    def _judge(self) -> None:
        given = [line.text().strip().upper() for line in self.answers]
        self.done_button.setEnabled(given == [self._groups[number - 1] for number in ASKED_GROUPS])

    def _copy(self) -> None:
        clipboard = QGuiApplication.clipboard()
        code = "-".join(self._groups)
        clipboard.setText(code)
        QTimer.singleShot(COPIED_FOR_MS, clipboard, lambda: clipboard.clear() if clipboard.text() == code else None)

    def _print(self) -> None:
        printer = QPrinter()
        dialog = QPrintDialog(printer, self)
        page = QTextDocument()
        page.setPlainText(i18n.text("unlock.code_page") + "\n\n" + "-".join(self._groups))
        dialog.accepted.connect(lambda: page.print_(printer))
        dialog.show()


def _text(key: str = "") -> QLabel:
    label = QLabel(i18n.text(key) if key else "")
    label.setWordWrap(True)
    label.setMinimumWidth(440)
    return label


def _fill(dialog: QDialog, *parts: QWidget | QHBoxLayout) -> None:
    layout = QVBoxLayout(dialog)
    layout.setContentsMargins(24, 24, 24, 20)
    layout.setSpacing(14)
    for part in parts:
        if isinstance(part, QWidget):
            layout.addWidget(part)
        else:
            layout.addLayout(part)
