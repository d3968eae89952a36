"""One sentence to a person whose window cannot open, for example because it is open already. Never stays for good."""

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QMessageBox

from desktop import i18n
from desktop.ui import theme

SHOWN_MS = 10_000


def say_and_leave(sentence: str) -> None:
    """Shows `sentence` until it is closed, ten seconds at most."""
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    theme.follow_system(application)
    box = QMessageBox(QMessageBox.Icon.NoIcon, i18n.text("chat.window_title"), sentence)
    QTimer.singleShot(SHOWN_MS, box.close)
    box.exec()
