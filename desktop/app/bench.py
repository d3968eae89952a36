"""Benchmarks of the app, in temporary folders. Never touches the person's own."""

import json
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

from desktop import paths
from desktop.app.rooms import Rooms
from desktop.records import Message, Role, State
from desktop.store.bench import measure
from desktop.store.chats import Chats
from desktop.store.database import Vault
from desktop.ui.bench import LONG_PASTE, TimedApplication, summary
from desktop.ui.main_window import MainWindow


def run(what: str, out: Path | None) -> int:
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
