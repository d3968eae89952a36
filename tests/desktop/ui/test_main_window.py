"""The window as a person uses it: a real one on a real screen, with a real engine behind it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication, QDialogButtonBox, QMessageBox
from pytestqt.qtbot import QtBot

from desktop import i18n
from desktop.app import faces
from desktop.app.rooms import Rooms
from desktop.errors import UserError
from desktop.records import State
from desktop.store.chats import Chats
from desktop.store.database import Vault
from desktop.ui.disclosure import DisclosureDialog
from desktop.ui.main_window import MainWindow


class House:
    """The window and everything behind it."""

    def __init__(self, folder: Path, model: Path, qtbot: QtBot) -> None:
        self.rooms = Rooms(Vault.open(folder), model)
        self.window = MainWindow(self.rooms.chat, self.rooms.journal, self.rooms.disclosure, is_starter=True)
        qtbot.addWidget(self.window)
        self.window.show()
        qtbot.waitExposed(self.window)

    def close(self) -> None:
        self.window.close()
        self.rooms.close()


@pytest.fixture
def house(tmp_path: Path, tiny: Path, qtbot: QtBot) -> Iterator[House]:
    one = House(tmp_path / "v", tiny, qtbot)
    one.rooms.disclosure.offer_passphrase()
    dialog = one.window.findChild(DisclosureDialog)
    if dialog:
        dialog.accept()
    yield one
    one.close()


def say(house: House, qtbot: QtBot, text: str) -> None:
    with qtbot.waitSignal(house.rooms.chat.answered, timeout=30_000):
        qtbot.keyClicks(house.window.box, text)
        qtbot.keyClick(house.window.box, Qt.Key.Key_Return)


def test_the_disclosure_comes_before_the_first_word_and_only_once(tmp_path: Path, tiny: Path, qtbot: QtBot) -> None:
    first = House(tmp_path / "v", tiny, qtbot)
    dialog = first.window.findChild(DisclosureDialog)
    assert dialog
    assert dialog.isModal()
    buttons = dialog.findChild(QDialogButtonBox)
    assert buttons
    accept = next(b for b in buttons.buttons() if b.text() == i18n.text("disclosure.accept"))
    qtbot.mouseClick(accept, Qt.MouseButton.LeftButton)
    first.close()
    second = House(tmp_path / "v", tiny, qtbot)
    assert second.window.findChild(DisclosureDialog) is None
    second.close()


def test_who_does_not_accept_leaves(tmp_path: Path, tiny: Path, qtbot: QtBot) -> None:
    house = House(tmp_path / "v", tiny, qtbot)
    dialog = house.window.findChild(DisclosureDialog)
    assert dialog
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not house.window.isVisible()
    house.close()


def test_enter_sends_and_shift_enter_breaks_the_line(house: House, qtbot: QtBot) -> None:
    box = house.window.box
    qtbot.keyClicks(box, "one")
    qtbot.keyClick(box, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClicks(box, "two")
    with qtbot.waitSignal(house.rooms.chat.answered, timeout=30_000) as answered:
        qtbot.keyClick(box, Qt.Key.Key_Return)
    assert box.toPlainText() == ""
    assert answered.args
    shown = house.window.transcript.toPlainText()
    assert "one\ntwo" in shown
    assert answered.args[0].text.strip().split("\n")[0] in shown
    assert "small starter model" in house.window.banner.text()


def test_the_box_grows_with_the_words_and_not_beyond_the_window(house: House, qtbot: QtBot) -> None:
    box = house.window.box
    heights = []
    for lines in (1, 4, 8, 40):
        box.setPlainText("\n".join(["words"] * lines))
        heights.append(box.height())
    assert heights[0] < heights[1] < heights[2] == heights[3]


def test_stop_keeps_half_an_answer_and_marks_it(house: House, qtbot: QtBot) -> None:
    assert not house.window.stop.isEnabled()
    with qtbot.waitSignal(house.rooms.chat.answer_grew, timeout=30_000):
        qtbot.keyClicks(house.window.box, "hello")
        qtbot.keyClick(house.window.box, Qt.Key.Key_Return)
    assert house.window.stop.isEnabled()
    with qtbot.waitSignal(house.rooms.chat.answered) as answered:
        qtbot.mouseClick(house.window.stop, Qt.MouseButton.LeftButton)
    assert answered.args
    assert answered.args[0].state == State.INTERRUPTED
    assert "(stopped)" in house.window.transcript.toPlainText()
    qtbot.waitUntil(lambda: not house.window.stop.isEnabled())


def test_talks_are_listed_and_opened_again(house: House, qtbot: QtBot) -> None:
    say(house, qtbot, "the first talk")
    qtbot.mouseClick(house.window.new_talk, Qt.MouseButton.LeftButton)
    assert i18n.text("chat.empty") in house.window.transcript.toPlainText()
    say(house, qtbot, "the second talk")
    titles = [house.window.sessions.item(row).text() for row in range(house.window.sessions.count())]
    assert titles == ["the second talk", "the first talk"]
    house.window.sessions.itemActivated.emit(house.window.sessions.item(1))
    shown = house.window.transcript.toPlainText()
    assert "the first talk" in shown
    assert "the second talk" not in shown
    say(house, qtbot, "and on")
    assert [house.window.sessions.item(row).text() for row in range(2)] == ["the first talk", "the second talk"]


def test_words_that_cannot_be_kept_stay_in_the_box(house: House, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    house.rooms.vault.db.execute("PRAGMA max_page_count = 1")
    with qtbot.assertNotEmitted(house.rooms.chat.saved):
        qtbot.keyClicks(house.window.box, "do not lose me " * 400)
        qtbot.keyClick(house.window.box, Qt.Key.Key_Return)
    assert house.window.box.toPlainText().startswith("do not lose me")
    assert house.window.notice.isVisible()
    assert "disk is full" in house.window.notice.text()


def test_export_from_the_window(house: House, qtbot: QtBot, tmp_path: Path) -> None:
    say(house, qtbot, "keep this")
    with qtbot.waitSignal(house.rooms.journal.exported, timeout=30_000):
        house.rooms.journal.export("json", tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_bytes())["sessions"][0]["messages"][0]["text"] == "keep this"
    assert "not encrypted" in house.window.notice.text()
    with qtbot.waitSignal(house.rooms.journal.failed, timeout=30_000):
        house.rooms.journal.export("json", tmp_path / "no" / "folder")
    assert "could not be written" in house.window.notice.text()


def test_a_long_talk_opens_with_its_end_and_the_rest_on_demand(house: House, qtbot: QtBot) -> None:
    from desktop.records import Message, Role

    chats = Chats(house.rooms.vault)
    chats.start("long", "long", "2026-01-01T00:00:00.000000Z")
    for number in range(150):
        chats.add(Message(f"n{number}", "long", Role.USER, f"message {number}.", State.DONE, "2026"))
    house.window.turn_to("long")
    qtbot.waitUntil(lambda: "message 149." in house.window.transcript.toPlainText())
    assert "message 80." not in house.window.transcript.toPlainText()
    house.window.transcript.earlier_wanted.emit()
    qtbot.waitUntil(lambda: "message 40." in house.window.transcript.toPlainText())


def test_screen_readers_find_names_for_everything(house: House) -> None:
    for widget in (house.window.box, house.window.transcript, house.window.sessions):
        assert widget.accessibleName()


def test_both_themes_are_readable() -> None:
    from desktop.ui.theme import load

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: str, other: str) -> float:
        light, dark = sorted([luminance(one), luminance(other)], reverse=True)
        return (light + 0.05) / (dark + 0.05)

    for name in ("light", "dark"):
        theme = load(name)
        for ground in (theme.window, theme.base, theme.own, theme.notice):
            assert contrast(theme.text, ground) >= 7
        assert contrast(theme.muted, theme.base) >= 4.5
        assert contrast(theme.muted, theme.own) >= 4.5
        assert contrast(theme.on_accent, theme.accent) >= 4.5


def test_a_second_window_on_one_folder_says_so_and_leaves(
    house: House, tiny: Path, qtbot: QtBot, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[str] = []

    def read_and_close() -> None:
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox)
        shown.append(box.text())
        box.accept()

    QTimer.singleShot(300, read_and_close)
    with pytest.raises(UserError, match="folder_in_use"):
        faces.run_window(house.rooms.vault.folder, None, tiny)
    assert "already open" in shown[0]


def test_a_talk_that_leaves_nothing_is_marked_and_gone_when_it_is_left(house: House, qtbot: QtBot) -> None:
    say(house, qtbot, "an ordinary talk")
    kept = house.rooms.chat.session_id
    before = house.window.sessions.count()
    action = next(one for one in house.window.findChildren(QAction) if one.text() == i18n.text("menu.fleeting"))
    action.trigger()
    assert house.window.fleeting.isVisible()
    assert "kept" not in house.window.transcript.toPlainText()
    assert "an ordinary talk" not in house.window.transcript.toPlainText()
    say(house, qtbot, "a fleeting thought")
    assert "a fleeting thought" in house.window.transcript.toPlainText()
    assert house.window.sessions.count() == before
    assert house.rooms.journal.find("fleeting") == []
    house.window.turn_to(kept)
    assert not house.window.fleeting.isVisible()
    assert "an ordinary talk" in house.window.transcript.toPlainText()
    assert "a fleeting thought" not in house.window.transcript.toPlainText()
    say(house, qtbot, "kept marmalade")
    assert [one.session_id for one in house.rooms.journal.find("marmalade")] == [kept]
