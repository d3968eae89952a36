"""How fast the vault is, against plain sqlite-utils in the same run. Works in a temporary folder on a real disk."""

import os
import resource
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from sqlite_utils.db import Database

from desktop.records import Message, Role, State
from desktop.store.chats import Chats
from desktop.store.database import Vault
from desktop.store.search import Search

MESSAGES = 100_000
ROUNDS = 5
TIME = "2026-01-01T00:00:00.000000Z"
_WORDS = (
    "rain", "river", "morning", "tired", "garden", "sister", "letter",
    "quiet", "winter", "window", "evening", "kitchen", "station", "coffee",
)  # fmt: skip


def measure(folder: Path) -> dict[str, float]:
    """The figures: ratios against plain sqlite-utils where they say "vs", else milliseconds, seconds, megabytes."""
    vault_s, plain_s = [], []
    for number in range(3):
        plain_s.append(_timed(partial(_fill_plain, folder / f"plain{number}.db")))
        vault_s.append(_timed(partial(_fill_vault, folder / f"vault{number}")))
    vault = Vault.open(folder / "vault0")
    plain = Database(folder / "plain0.db", execute_plugins=False)
    chats, search = Chats(vault), Search(vault)
    save_ms, fsync_ms = _save_and_fsync(chats, folder)
    ours, theirs = [], []
    for words in ("river gard", "quiet morning", "winter", "kitch stat coff", "letter sister tired"):
        query = " ".join(f'"{word}"*' for word in words.split())
        for _ in range(ROUNDS):
            ours.append(_timed(partial(search.find, words)) * 1000)
            theirs.append(_timed(partial(_search_plain, plain, query)) * 1000)
    vault.close()
    open_ms = [_timed(partial(_open_and_show, folder / "vault0")) * 1000 for _ in range(ROUNDS)]
    export_s, export_mb = _export(folder / "vault0", folder / "out.json")
    return {
        "insert_vs_plain": round(statistics.median(vault_s) / statistics.median(plain_s), 3),
        "save_vs_fsync": round(save_ms / fsync_ms, 2),
        "search_ms": round(statistics.median(ours), 2),
        "search_vs_plain": round(statistics.median(ours) / statistics.median(theirs), 3),
        "open_ms": round(statistics.median(open_ms), 1),
        "export_s": round(export_s, 2),
        "export_mb": round(export_mb, 1),
    }


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _texts() -> Iterator[str]:
    for number in range(MESSAGES):
        yield " ".join(_WORDS[(number * step + step) % len(_WORDS)] for step in range(1, 25)) + f" {number}"


def _fill_vault(folder: Path) -> None:
    vault = Vault.open(folder)
    Chats(vault).start("s", "Many words", TIME)
    with vault.db.atomic():
        vault.db.table("messages").insert_all(
            {
                "id": uuid.uuid4().hex,
                "session_id": "s",
                "role": "user",
                "text": text,
                "state": "done",
                "created_at": TIME,
            }
            for text in _texts()
        )
    vault.close()


def _fill_plain(path: Path) -> None:
    """The same rows and the same kind of index, as sqlite-utils makes them."""
    db = Database(path, execute_plugins=False)
    db.execute("PRAGMA journal_mode = WAL")
    db.table("messages").create(
        {"id": str, "session_id": str, "role": str, "text": str, "state": str, "created_at": str}
    )
    db.table("messages").enable_fts(["text"], tokenize="unicode61 remove_diacritics 2", create_triggers=True)
    db.table("messages").insert_all(
        {"id": uuid.uuid4().hex, "session_id": "s", "role": "user", "text": text, "state": "done", "created_at": TIME}
        for text in _texts()
    )
    db.close()


def _search_plain(db: Database, query: str) -> None:
    list(db.table("messages").search(query, limit=50))


def _save_and_fsync(chats: Chats, folder: Path) -> tuple[float, float]:
    """Medians in milliseconds: one message kept, and one write of 4 KiB with fsync, in turns."""
    saves, fsyncs = [], []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(60):
            message = Message(uuid.uuid4().hex, "s", Role.USER, "Some words about today.", State.DONE, TIME)
            saves.append(_timed(partial(chats.add, message)) * 1000)

            def write() -> None:
                file.write(b"x" * 4096)
                os.fsync(file.fileno())

            fsyncs.append(_timed(write) * 1000)
    return statistics.median(saves), statistics.median(fsyncs)


def _open_and_show(folder: Path) -> None:
    """Opens the vault and reads the latest of its last session, as the window shows it."""
    vault = Vault.open(folder)
    chats = Chats(vault)
    (session,) = chats.sessions(1)
    chats.latest(session.id, 60)
    vault.close()


def _export(folder: Path, out: Path) -> tuple[float, float]:
    """Seconds and peak resident megabytes of `quietroom export` as a program."""
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "desktop",
        "export",
        "--data-dir",
        folder,
        "--format",
        "json",
        "--out",
        out,
    ]
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    seconds = time.perf_counter() - began
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
