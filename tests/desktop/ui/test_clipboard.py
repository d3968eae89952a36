"""Whole entries leave the clipboard again."""

from collections.abc import Iterator

import pytest
from PySide6.QtGui import QClipboard
from PySide6.QtWidgets import QApplication, QPlainTextEdit
from pytestqt.qtbot import QtBot

from desktop.ui.clipboard import Clearing

ENTRY = "A long entry about a day.\nIt rained."


@pytest.fixture
def clipboard(qapp: QApplication) -> Iterator[QClipboard]:
    board = qapp.clipboard()
    yield board
    board.clear()


def test_a_whole_entry_is_cleared_and_a_few_words_are_not(qtbot: QtBot, clipboard: QClipboard) -> None:
    edit = QPlainTextEdit(ENTRY)
    qtbot.addWidget(edit)
    Clearing(edit, edit.toPlainText, 50)
    edit.selectAll()
    edit.copy()
    assert clipboard.text() == ENTRY
    qtbot.waitUntil(lambda: clipboard.text() == "", timeout=10_000)
    edit.selectAll()
    edit.copy()
    clipboard.setText("a word")
    marker = Clearing(edit, lambda: "never", 200)
    with qtbot.waitSignal(marker._timer.timeout, timeout=10_000):
        marker._timer.start()
    assert clipboard.text() == "a word"
