"""The recovery code, tried while nothing is at stake. Never keeps it, never insists."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from desktop import i18n
from desktop.errors import UserError


class RehearsalDialog(QDialog):
    """`tried(code)` until `succeed`; the other way out puts it off for a year."""

    tried = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(i18n.text("rehearsal.title"))
        self.code = QLineEdit()
        self.code.setAccessibleName(i18n.text("unlock.code"))
        self.code.setPlaceholderText(i18n.text("unlock.code"))
        self.notice = QLabel(i18n.text("rehearsal.text"))
        self.notice.setWordWrap(True)
        self.notice.setMinimumWidth(440)
        self.try_it = QPushButton(i18n.text("rehearsal.try"))
        self.try_it.setObjectName("primary")
        self.try_it.clicked.connect(self._try)
        self.later = QPushButton(i18n.text("rehearsal.later"))
        self.later.setAutoDefault(False)
        self.later.clicked.connect(self.reject)
        row = QHBoxLayout()
        row.addStretch()
        row.addWidget(self.later)
        row.addWidget(self.try_it)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 24, 24, 20)
        layout.setSpacing(14)
        layout.addWidget(self.notice)
        layout.addWidget(self.code)
        layout.addLayout(row)

    def succeed(self) -> None:
        """It is the code of this journal."""
        self.code.clear()
        self.code.hide()
        self.try_it.hide()
        self.notice.setText(i18n.text("rehearsal.right"))
        self.later.setText(i18n.text("disclosure.close"))

    def refuse(self, error: UserError) -> None:
        """It is not, and what to do."""
        self.try_it.setEnabled(True)
        self.notice.setText(i18n.error_text(error) + " " + i18n.text("rehearsal.wrong"))

    def _try(self) -> None:
        if self.code.text().strip():
            self.try_it.setEnabled(False)
            self.tried.emit(self.code.text())
