"""Unlocking with the login, and the yearly rehearsal of the recovery code."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from support.programs import run

from desktop.app.home import Home
from desktop.store.database import ByPassphrase, Vault
from desktop.store.keys import Cost
from desktop.store.locks import Locks
from desktop.store.preferences import Preferences
from desktop.ui.locking import UnlockDialog
from desktop.ui.rehearsal import RehearsalDialog

WORDS = "four quiet garden words"
WAY = ByPassphrase(WORDS, Cost())


class Person:
    """A journal locked by a passphrase and a code, and a keyring."""

    def __init__(self, root: Path) -> None:
        self.folder, self.ring, self.file = root / "journal", root / "ring.json", root / "words"
        self.file.write_text(WORDS)
        vault = Vault.open(self.folder, WAY)
        locks, self.code = vault.locks.with_recovery(vault.key)
        locks.save(self.folder)
        vault.close()

    def login(self, state: str) -> bytes:
        done = run("quietroom", "login", state, "--data-dir", self.folder, "--passphrase-file", self.file)
        return done.stderr if done.returncode == 0 else b"refused: " + done.stderr

    def kinds(self) -> set[str]:
        locks = Locks.read(self.folder)
        assert locks
        return set(locks.locks)


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "support.file_keyring.FileKeyring")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("QUIETROOM_TEST_KEYRING", str(tmp_path / "ring.json"))
    return Person(tmp_path)


@pytest.fixture
def home(person: Person, tiny: Path, qapp: QApplication) -> Iterator[Home]:
    one = Home(qapp, person.folder, tiny)
    yield one
    one.close()


def door() -> UnlockDialog:
    return next(w for w in QApplication.topLevelWidgets() if isinstance(w, UnlockDialog) and w.isVisible())


def test_from_the_terminal_it_is_turned_on_used_and_turned_off(person: Person) -> None:
    listing = ("quietroom", "sessions", "--data-dir", person.folder)
    assert run(*listing).returncode == 2
    assert b"logged in as you can read it" in person.login("on")
    assert run(*listing).returncode == 0
    vault = Vault.open(person.folder, WAY)
    assert vault.key.hex() not in person.ring.read_text()
    vault.close()
    assert person.kinds() == {"passphrase", "recovery", "keyring"}
    person.ring.write_text(json.dumps(dict.fromkeys(json.loads(person.ring.read_text()), "00" * 32)))
    assert run(*listing).returncode == 2
    assert run(*listing, "--passphrase-file", person.file).returncode == 0
    person.login("on")
    assert b"no more" in person.login("off")
    assert run(*listing).returncode == 2
    assert json.loads(person.ring.read_text()) == {}
    assert person.kinds() == {"passphrase", "recovery"}


def test_a_keyring_that_keeps_nothing_is_told(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    for backend in ("keyring.backends.null.Keyring", "keyring.backends.fail.Keyring"):
        monkeypatch.setenv("PYTHON_KEYRING_BACKEND", backend)
        assert b"refused: This computer has no keyring" in person.login("on")
    assert person.kinds() == {"passphrase", "recovery"}


def test_without_a_passphrase_there_is_nothing_left_in_the_keyring(person: Person) -> None:
    person.login("on")
    done = run("quietroom", "passphrase", "--remove", "--data-dir", person.folder, "--passphrase-file", person.file)
    assert done.returncode == 0
    assert person.kinds() == {"file"}
    assert json.loads(person.ring.read_text()) == {}
    assert b"refused" in person.login("on")


def test_in_the_window_it_is_chosen_and_opens_the_door(home: Home, person: Person, qtbot: QtBot) -> None:
    home.show(WAY)
    assert home.window
    action = home.window._login_action
    assert action.isEnabled()
    assert not action.isChecked()
    with qtbot.waitSignal(home.vault_flow.login_set, timeout=30_000):
        action.trigger()
    assert action.isChecked()
    home.lock()
    asked = door()
    assert asked.login.isVisible()
    with qtbot.waitSignal(home.vault_flow.unlocked, timeout=30_000):
        asked.login.click()
    assert home.window._login_action.isChecked()
    with qtbot.waitSignal(home.vault_flow.login_set, timeout=30_000):
        home.window._login_action.trigger()
    home.lock()
    assert not door().login.isVisible()


def test_a_login_that_is_refused_leaves_the_passphrase(home: Home, person: Person, qtbot: QtBot) -> None:
    person.login("on")
    person.ring.write_text("{}")
    home.show(None)
    asked = door()
    with qtbot.waitSignal(home.vault_flow.failed, timeout=30_000):
        asked.login.click()
    assert "use your passphrase" in asked.notice.text()
    assert asked.words.isEnabled()


def rehearse(home: Home, person: Person) -> RehearsalDialog:
    vault = Vault.open(person.folder, WAY)
    preferences = Preferences(vault)
    preferences.save(replace(preferences.load(), recovery_checked_at="2020-01-01T00:00:00.000000Z"))
    vault.close()
    home.show(WAY)
    assert home.window
    dialog = home.window.findChild(RehearsalDialog)
    assert dialog
    assert dialog.isVisible()
    return dialog


def test_once_a_year_the_code_is_tried(home: Home, person: Person, qtbot: QtBot) -> None:
    dialog = rehearse(home, person)
    with qtbot.waitSignal(home.vault_flow.failed, timeout=30_000):
        dialog.code.setText(person.code[:-1])
        dialog.try_it.click()
    assert "set your passphrase anew" in dialog.notice.text()
    with qtbot.waitSignal(home.vault_flow.rehearsed, timeout=30_000):
        dialog.code.setText(person.code.lower())
        dialog.try_it.click()
    assert "right code" in dialog.notice.text()
    assert dialog.code.text() == ""
    home.lock()
    with qtbot.waitSignal(home.vault_flow.unlocked, timeout=30_000):
        door().words.setText(WORDS)
        door().open_button.click()
    assert home.window
    assert home.window.findChild(RehearsalDialog) is None


def test_a_new_journal_is_not_asked(home: Home) -> None:
    home.show(WAY)
    assert home.window
    assert home.window.findChild(RehearsalDialog) is None
