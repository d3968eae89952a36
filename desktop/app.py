"""The composition root: builds the vault, the engine, the flows and a face, and connects them. Never any policy."""

import json
import os
import sys
import tempfile
import traceback
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from PySide6.QtCore import QCoreApplication, QObject
from PySide6.QtWidgets import QApplication

from desktop import i18n, paths, verbs
from desktop.companions import companion
from desktop.engine.client import EngineClient
from desktop.errors import UserError
from desktop.flows.chat import ChatFlow
from desktop.flows.disclosure import DisclosureFlow
from desktop.flows.journal import JournalFlow
from desktop.flows.vault import VaultFlow
from desktop.records import Message, Role, State
from desktop.safety.screen import screen
from desktop.store.bench import measure
from desktop.store.chats import Chats
from desktop.store.database import ByFile, ByKey, Opener, Vault
from desktop.store.preferences import Preferences
from desktop.talk import Terminal
from desktop.ui import theme
from desktop.ui.bench import LONG_PASTE, TimedApplication, summary
from desktop.ui.farewell import say_and_leave
from desktop.ui.idle import Idle
from desktop.ui.locking import UnlockDialog
from desktop.ui.main_window import MainWindow
from desktop.work import locking
from desktop.work.locking import Asks

# In place of a session's id: the one last written in.
LAST = "last"


class Rooms:
    """Everything behind a face, built on one open vault."""

    def __init__(self, vault: Vault, model: Path) -> None:
        self.vault = vault
        chats = Chats(vault)
        self.preferences = preferences = Preferences(vault)
        self.engine = EngineClient(model, preferences.known_sha256)
        self.engine.loaded.connect(lambda identity: preferences.keep_sha256(model, identity.sha256))
        self.chat = ChatFlow(chats, self.engine, companion("quietroom"), screen)
        self.journal = JournalFlow(vault)
        self.disclosure = DisclosureFlow(preferences)

    def close(self) -> None:
        """Ends what is under way, keeps it, and closes the vault."""
        self.chat.leave()
        self.engine.close()
        self.journal.close()
        self.vault.close()


def run_verb(folder: Path, asks: Asks, verb: Callable[[JournalFlow], None], *, writes: bool) -> int:
    """One short command on the journal; those that only read work while a window is open. Raises UserError."""
    way = locking.opener(folder, asks)
    vault = Vault.open(folder, way) if writes else Vault.open_beside(folder, way)
    try:
        verb(JournalFlow(vault))
    finally:
        vault.close()
    return 0


def run_talk(folder: Path, asks: Asks, model: Path | None, session_id: str | None) -> int:
    """The terminal face, until the input ends. Returns the exit code. Raises UserError."""
    application = QCoreApplication.instance() or QCoreApplication(sys.argv[:1])
    vault = Vault.open(folder, locking.opener(folder, asks))
    if vault.is_new:
        verbs.introduce(locking.first_code(vault))
    rooms = Rooms(vault, model or paths.starter_model())
    rooms.journal.tidy_bin()
    if session_id == LAST:
        session_id = next((session.id for session in rooms.journal.sessions(1)), None)
    try:
        terminal = Terminal(rooms.chat, rooms.disclosure, rooms.engine.start, is_starter=model is None)
        _install_excepthook(terminal.fail)
        return terminal.run(application, session_id)
    finally:
        rooms.close()


class Home(QObject):
    """The window and its door. While it is locked only the door is there, and nothing of the person's behind it."""

    def __init__(self, application: QApplication, folder: Path, model: Path | None) -> None:
        super().__init__()
        self._application = application
        self._folder = folder
        self._model = model
        self._door: UnlockDialog | None = None
        self._idle: Idle | None = None
        self.rooms: Rooms | None = None
        self.window: MainWindow | None = None
        self.vault_flow = flow = VaultFlow(folder)
        flow.unlocked.connect(self._unlocked)
        flow.locked_anew.connect(self._locked_anew)
        flow.opened_up.connect(self._opened_up)
        flow.failed.connect(self._tell)

    def show(self, way: Opener | None) -> None:
        """Opens by `way`, or by the key file, or shows the door. Raises UserError."""
        if way is None and self.vault_flow.is_locked:
            self._show_door()
        else:
            self._enter(way or ByFile())

    def lock(self) -> None:
        """Keeps what is under way, closes everything and leaves the door alone; not without a lock."""
        if self.window and self.vault_flow.is_locked:
            self._show_door()
            self._leave()

    def close(self) -> None:
        """Leaves for good."""
        self._leave()
        self.vault_flow.close()

    def apologize(self) -> None:
        """One calm word about a bug of ours."""
        if self.window:
            self.window.apologize()

    def _leave(self) -> None:
        window, rooms, idle = self.window, self.rooms, self._idle
        self.window = self.rooms = self._idle = None
        if idle:
            self._application.removeEventFilter(idle)
            idle.deleteLater()
        if window:
            window.close()
            window.deleteLater()
        if rooms:
            rooms.close()

    def _enter(self, way: Opener) -> None:
        self.rooms = rooms = Rooms(Vault.open(self._folder, way), self._model or paths.starter_model())
        self.window = window = MainWindow(rooms.chat, rooms.journal, rooms.disclosure, is_starter=self._model is None)
        window.lock_wanted.connect(self.lock)
        window.passphrase_chosen.connect(lambda words: self.vault_flow.set_passphrase(rooms.vault.key, words))
        window.no_passphrase_wanted.connect(lambda: self.vault_flow.use_login_only(rooms.vault.key))
        window.show_lock(is_locked=self.vault_flow.is_locked)
        self._idle = idle = Idle(rooms.preferences.load().idle_minutes * 60_000)
        idle.idled.connect(self.lock)
        self._application.installEventFilter(idle)
        rooms.journal.tidy_bin()
        window.show()
        rooms.engine.start()

    def _show_door(self) -> None:
        self._door = door = UnlockDialog()
        door.tried.connect(self._try)
        door.show()

    def _try(self, words: str, is_code: bool) -> None:
        attempt = self.vault_flow.unlock_by_recovery if is_code else self.vault_flow.unlock
        attempt(words)

    def _unlocked(self, key: bytes) -> None:
        try:
            self._enter(ByKey(key))
        except UserError as error:
            self._tell(error)
            return
        if self._door:
            self._door.accept()
            self._door = None

    def _locked_anew(self, code: str) -> None:
        if self.window:
            self.window.show_lock(is_locked=True)
            self.window.show_code(code)

    def _opened_up(self) -> None:
        if self.window:
            self.window.show_lock(is_locked=False)

    def _tell(self, error: UserError) -> None:
        if self._door:
            self._door.refuse(error)
        elif self.window:
            self.window.tell(error)


def run_window(folder: Path, asks: Asks | None, model: Path | None) -> int:
    """The window, until it is closed. Returns the exit code. Raises UserError."""
    application = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(application, QApplication)
    theme.follow_system(application)
    home = Home(application, folder, model)
    try:
        home.show(locking.opener(folder, asks) if asks else None)
    except UserError as error:
        say_and_leave(i18n.error_text(error))
        raise
    _install_excepthook(home.apologize)
    try:
        return application.exec()
    finally:
        home.close()


def run_bench(what: str, out: Path | None) -> int:
    """Measures in a temporary folder below the present one and prints the figures as JSON."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as temporary:
        figures = {"window": _bench_window, "vault": measure}[what](Path(temporary))
    text = json.dumps(figures, indent=1) + "\n"
    sys.stdout.write(text)
    if out:
        out.write_text(text, "utf-8")
    return 0


def _bench_window(folder: Path) -> dict[str, Any]:
    """Times the window's events through a talk, a long paste, a long talk opened, and an export."""
    application = TimedApplication(sys.argv[:1])
    rooms = Rooms(Vault.open(folder / "vault"), paths.starter_model())
    rooms.disclosure.accept()
    old = _fill(rooms.vault, messages=1000)
    window = MainWindow(rooms.chat, rooms.journal, rooms.disclosure, is_starter=True)
    window.show()
    application.until(window.isVisible)
    application.longest.clear()
    rooms.engine.start()
    for words in ("I feel low today.", "What could I do tonight?", LONG_PASTE):
        with application.timed("paste and send"):
            window.box.setPlainText(words)
            window.box.submit()
        application.until(lambda: not rooms.chat.is_busy)
    with application.timed("open a talk of 1,000 messages"):
        window.turn_to(old)
    window.box.setPlainText("And now?")
    window.box.submit()
    application.until(lambda: not rooms.chat.is_busy)
    rooms.journal.export("json", folder / "out.json")
    application.until((folder / "out.json").exists)
    rooms.close()
    return summary(application, folder)


def _fill(vault: Vault, messages: int) -> str:
    """A session of many messages, for benchmarks; gives its id."""
    chats = Chats(vault)
    session = chats.start(uuid.uuid4().hex, "Many words", "2026-01-01T00:00:00.000000Z")
    for number in range(messages):
        role = Role.ASSISTANT if number % 2 else Role.USER
        text = f"{number}: " + "Some words about a day that was long. " * 12
        chats.add(Message(uuid.uuid4().hex, session.id, role, text, State.DONE, session.created_at))
    return session.id


def _install_excepthook(tell: Callable[[], None]) -> None:
    """For bugs: a log that holds where and what kind, never values, and one calm word to the person."""

    def hook(kind: type[BaseException], _error: BaseException, trace: TracebackType | None) -> None:
        log = paths.log_file()
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        frames = "".join(f"  {f.filename}:{f.lineno} {f.name}\n" for f in traceback.extract_tb(trace))
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{datetime.now(UTC).isoformat()} {kind.__name__}\n{frames}")
        tell()

    sys.excepthook = hook
