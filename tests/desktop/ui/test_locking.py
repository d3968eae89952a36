"""The door: locking and unlocking as a person does it in the window."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QInputDialog
from pytestqt.qtbot import QtBot

from desktop.app.home import Home
from desktop.store.database import ByPassphrase, Vault
from desktop.store.keys import Cost
from desktop.store.preferences import Preferences
from desktop.ui.disclosure import DisclosureDialog
from desktop.ui.locking import ASKED_GROUPS, CodeDialog, PassphraseDialog, UnlockDialog

WORDS = "four quiet garden words"


@pytest.fixture
def application(qapp: QApplication) -> QApplication:
    return qapp


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def home(application: QApplication, folder: Path, tiny: Path) -> Iterator[Home]:
    one = Home(application, folder, tiny)
    yield one
    one.close()


@pytest.fixture
def locked(folder: Path) -> None:
    vault = Vault.open(folder, ByPassphrase(WORDS, Cost()))
    locks, _ = vault.locks.with_recovery(vault.key)
    locks.save(folder)
    vault.close()


def door() -> UnlockDialog | None:
    found = [w for w in QApplication.topLevelWidgets() if isinstance(w, UnlockDialog) and w.isVisible()]
    return found[0] if found else None


def test_a_first_start_offers_a_lock_after_the_disclosure(home: Home, qtbot: QtBot, folder: Path) -> None:
    home.show(None)
    window = home.window
    assert window
    disclosure = window.findChild(DisclosureDialog)
    assert disclosure
    disclosure.accept()
    dialog = window.findChild(PassphraseDialog)
    assert dialog
    assert not dialog.lock.isEnabled()
    dialog.first.setText(WORDS)
    dialog.second.setText("another")
    assert not dialog.lock.isEnabled()
    dialog.second.setText(WORDS)
    with qtbot.waitSignal(home.vault_flow.locked_anew, timeout=30_000) as locked:
        qtbot.mouseClick(dialog.lock, Qt.MouseButton.LeftButton)
    assert locked.args
    code = locked.args[0]
    shown = window.findChild(CodeDialog)
    assert shown
    assert not shown.done_button.isEnabled()
    shown.reject()
    assert shown.isVisible()
    for number, line in zip(ASKED_GROUPS, shown.answers, strict=True):
        qtbot.keyClicks(line, code.split("-")[number - 1].lower())
    qtbot.mouseClick(shown.done_button, Qt.MouseButton.LeftButton)
    assert not shown.isVisible()
    assert not (folder / "key").exists()
    assert home.vault_flow.is_locked


def test_not_now_leaves_the_journal_open_and_does_not_ask_again(home: Home, qtbot: QtBot) -> None:
    home.show(None)
    assert home.window
    disclosure = home.window.findChild(DisclosureDialog)
    assert disclosure
    disclosure.accept()
    dialog = home.window.findChild(PassphraseDialog)
    assert dialog
    qtbot.mouseClick(dialog.later, Qt.MouseButton.LeftButton)
    assert not home.vault_flow.is_locked
    assert home.rooms
    assert not home.rooms.disclosure.offer_passphrase()


def test_a_locked_journal_opens_by_its_passphrase_alone(home: Home, locked: None, qtbot: QtBot) -> None:
    home.show(None)
    assert home.window is None
    asked = door()
    assert asked
    with qtbot.waitSignal(home.vault_flow.failed, timeout=30_000):
        qtbot.keyClicks(asked.words, "not these words")
        qtbot.keyClick(asked.words, Qt.Key.Key_Return)
    assert "not the passphrase" in asked.notice.text()
    assert home.window is None
    asked.words.clear()
    with qtbot.waitSignal(home.vault_flow.unlocked, timeout=30_000):
        qtbot.keyClicks(asked.words, WORDS)
        qtbot.mouseClick(asked.open_button, Qt.MouseButton.LeftButton)
    assert home.window
    assert home.window.isVisible()
    assert door() is None


def test_locking_closes_everything_and_unlocking_brings_it_back(home: Home, locked: None, qtbot: QtBot) -> None:
    home.show(ByPassphrase(WORDS, Cost()))
    assert home.window
    assert home.rooms
    home.rooms.disclosure.offer_passphrase()
    disclosure = home.window.findChild(DisclosureDialog)
    assert disclosure
    disclosure.accept()
    with qtbot.waitSignal(home.rooms.chat.answer_grew, timeout=30_000):
        home.window.box.setPlainText("something secret")
        home.window.box.submit()
    engine = home.rooms.engine.pid
    home.window.lock_wanted.emit()
    assert home.window is None
    assert home.rooms is None
    with pytest.raises(ProcessLookupError):
        os.kill(engine, signal.SIG_DFL)
    asked = door()
    assert asked
    with qtbot.waitSignal(home.vault_flow.unlocked, timeout=30_000):
        asked.words.setText(WORDS)
        asked.open_button.click()
    assert home.window
    assert home.window.sessions.item(0).text() == "something secret"


def test_an_untouched_window_locks_itself(home: Home, locked: None, folder: Path, qtbot: QtBot) -> None:
    vault = Vault.open(folder, ByPassphrase(WORDS, Cost()))
    settings = Preferences(vault).load()
    assert settings.idle_minutes == 15
    vault.close()
    home.show(ByPassphrase(WORDS, Cost()))
    assert home._idle
    home._idle.idled.emit()
    assert home.window is None
    assert door()


def test_a_journal_without_a_lock_does_not_lock_itself(home: Home, qtbot: QtBot) -> None:
    home.show(None)
    home.lock()
    assert home.window
    assert home.window.isVisible()


def test_the_idle_time_is_chosen_and_stays(home: Home, locked: None, qtbot: QtBot) -> None:
    home.show(ByPassphrase(WORDS, Cost()))
    assert home.window
    home.window._idle_action.trigger()
    dialog = home.window.findChild(QInputDialog)
    assert dialog
    assert dialog.intValue() == 15
    dialog.setIntValue(3)
    dialog.accept()
    assert home._idle
    assert home._idle._timer.interval() == 3 * 60_000
    home.lock()
    home.show(ByPassphrase(WORDS, Cost()))
    assert home._idle._timer.interval() == 3 * 60_000
