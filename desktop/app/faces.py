"""Starts a face: the window, the talk in the terminal, one short command. Never any policy."""

import sys
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QApplication

from desktop import i18n, paths
from desktop.app.bugs import install_excepthook
from desktop.app.home import Home
from desktop.app.rooms import Rooms
from desktop.errors import UserError
from desktop.flows.bus import ask_forward, ask_lock
from desktop.flows.desk import Desk
from desktop.store.database import Vault
from desktop.store.place import is_on_network, is_synced
from desktop.talk import Terminal
from desktop.ui import theme
from desktop.ui.farewell import say_and_leave
from desktop.verbs.terminal import say
from desktop.verbs.vault import introduce
from desktop.work import locking
from desktop.work.locking import Asks

# In place of a session's id: the one last written in.
LAST = "last"


def run_verb(folder: Path, asks: Asks, verb: Callable[[Desk], None], *, writes: bool) -> int:
    """One short command on the journal; those that only read work while a window is open. Raises UserError."""
    way = locking.opener(folder, asks)
    vault = Vault.open(folder, way) if writes else Vault.open_beside(folder, way)
    try:
        verb(Desk(vault))
    finally:
        vault.close()
    return 0


def run_lock(folder: Path) -> int:
    """Has the window on this folder lock itself. Returns the exit code. Raises UserError("no_window")."""
    application = QCoreApplication.instance() or QCoreApplication(sys.argv[:1])
    if not ask_lock(folder):
        raise UserError("no_window")
    say(i18n.text("kept.locked"))
    del application
    return 0


def run_talk(folder: Path, asks: Asks, model: Path | None, session_id: str | None) -> int:
    """The terminal face, until the input ends. Returns the exit code. Raises UserError."""
    application = QCoreApplication.instance() or QCoreApplication(sys.argv[:1])
    vault = Vault.open(folder, locking.opener(folder, asks))
    if vault.is_new:
        introduce(locking.first_code(vault))
    if is_on_network(folder) or is_synced(folder):
        say(i18n.error_text(UserError("shared_folder")))
    rooms = Rooms(vault, model or paths.starter_model())
    rooms.journal.tidy_bin()
    if session_id == LAST:
        session_id = next((session.id for session in rooms.journal.sessions(1)), None)
    try:
        terminal = Terminal(rooms.chat, rooms.disclosure, rooms.engine.start, is_starter=model is None)
        install_excepthook(terminal.fail)
        return terminal.run(application, session_id)
    finally:
        rooms.close()


def run_window(folder: Path, asks: Asks | None, model: Path | None) -> int:
    """The window, until it is closed. Returns the exit code. Raises UserError."""
    application = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(application, QApplication)
    if ask_forward(folder):
        say(i18n.text("kept.came_forward"))
        return 0
    theme.follow_system(application)
    home = Home(application, folder, model)
    try:
        home.show(locking.opener(folder, asks) if asks else None)
    except UserError as error:
        say_and_leave(i18n.error_text(error))
        raise
    install_excepthook(home.apologize)
    try:
        return application.exec()
    finally:
        home.close()
