"""Entries and search in the window, on the real vault."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox
from pytestqt.qtbot import QtBot

from desktop.app.rooms import Rooms
from desktop.records import CheckIn
from desktop.store.database import Vault
from desktop.ui.main_window import MainWindow


@pytest.fixture
def rooms(tmp_path: Path, tiny: Path, qapp: object) -> Iterator[Rooms]:
    one = Rooms(Vault.open(tmp_path / "v"), tiny)
    one.disclosure.accept()
    yield one
    one.close()


@pytest.fixture
def window(rooms: Rooms, qtbot: QtBot) -> MainWindow:
    one = MainWindow(rooms.chat, rooms.journal, rooms.disclosure, is_starter=True)
    qtbot.addWidget(one)
    one.show()
    return one


def write(window: MainWindow, qtbot: QtBot, title: str, text: str) -> None:
    page = window.journal
    qtbot.mouseClick(page.new, Qt.MouseButton.LeftButton)
    page.title.setText(title)
    page.text.setPlainText(text)
    qtbot.mouseClick(page.keep, Qt.MouseButton.LeftButton)


def test_an_entry_is_written_changed_and_deleted(window: MainWindow, rooms: Rooms, qtbot: QtBot) -> None:
    page = window.journal
    window.tabs.setCurrentWidget(page)
    assert not page.keep.isEnabled()
    page.text.setPlainText("It rained.\nI stayed in.")
    page.gauges["mood"].setValue(6)
    page.gauges["sleep"].setValue(0)
    page.tags.setText("#work rain rain")
    qtbot.mouseClick(page.keep, Qt.MouseButton.LeftButton)
    (entry,) = rooms.journal.entries()
    assert entry.text == "It rained.\nI stayed in."
    assert entry.check_in == CheckIn(mood=6, sleep=0)
    assert entry.tags == ("work", "rain")
    assert page.text.toPlainText() == ""
    page.list.itemClicked.emit(page.list.item(0))
    assert page.text.toPlainText() == entry.text
    assert page.gauges["tension"].text() == "–"
    page.text.setPlainText("It rained all day.")
    qtbot.mouseClick(page.keep, Qt.MouseButton.LeftButton)
    assert [one.text for one in rooms.journal.entries()] == ["It rained all day."]
    assert [one.text for one in rooms.journal.versions(entry.id)] == [entry.text]
    page.list.itemClicked.emit(page.list.item(0))
    qtbot.mouseClick(page.delete, Qt.MouseButton.LeftButton)
    assert page.list.count() == 0
    assert [thing for _, thing, _, _ in rooms.journal.binned()] == [entry.id]


def test_words_are_found_in_talks_and_entries_and_opened(window: MainWindow, rooms: Rooms, qtbot: QtBot) -> None:
    write(window, qtbot, "Tuesday", "Thunder all night.")
    with qtbot.waitSignal(rooms.chat.answered, timeout=30_000):
        window.box.setPlainText("Was it thunder again?")
        window.box.submit()
    window.turn_to(None)
    window.search.setText("thund")
    listed = [window.sessions.item(row) for row in range(window.sessions.count())]
    assert [item.text() for item in listed] == ["Was it thunder again?", "Thunder all night."]
    window.sessions.itemActivated.emit(listed[0])
    assert "Was it thunder again?" in window.transcript.toPlainText()
    window.search.setText("thund")
    window.sessions.itemActivated.emit(window.sessions.item(1))
    assert window.tabs.currentWidget() is window.journal
    assert window.journal.title.text() == "Tuesday"
    window.search.setText("...")
    assert window.sessions.count() == 0
    window.search.clear()
    assert window.sessions.count() == 1


def test_an_entry_that_cannot_be_kept_stays_on_the_page(window: MainWindow, rooms: Rooms, qtbot: QtBot) -> None:
    rooms.vault.db.execute("PRAGMA max_page_count = 1")
    write(window, qtbot, "Tuesday", "do not lose me " * 2000)
    assert window.journal.text.toPlainText().startswith("do not lose me")
    box = window.findChild(QMessageBox)
    assert box
    assert "disk is full" in box.text()
