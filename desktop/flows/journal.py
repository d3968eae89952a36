"""Looking back, writing for oneself, finding, deleting, taking out. Never writes an export in the window's process."""

import uuid
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from desktop.carried import WHOLE, Selection
from desktop.flows.clock import local_zone, now, utc_text
from desktop.flows.worker import Worker
from desktop.records import CheckIn, Entry, Found, Session
from desktop.store.bin import Bin
from desktop.store.chats import Chats
from desktop.store.database import Vault
from desktop.store.journals import Journals
from desktop.store.search import Filter, Search

__all__ = ["Filter", "JournalFlow"]

BIN_DAYS = 30


class JournalFlow(QObject):
    """`exported(path)` or `failed(UserError)` follow each `export`; everything else answers at once."""

    exported = Signal(str)
    failed = Signal(object)

    def __init__(self, vault: Vault) -> None:
        super().__init__()
        self._folder = vault.folder
        self._key = vault.key
        self._chats = Chats(vault)
        self._journals = Journals(vault)
        self._search = Search(vault)
        self._bin = Bin(vault)
        self._work = Worker(self)
        self._work.done.connect(lambda outcome: self.exported.emit(outcome["path"]))
        self._work.failed.connect(self.failed)

    def sessions(self, limit: int = -1) -> list[Session]:
        """The talks last written in, the newest first."""
        return self._chats.sessions(limit)

    def entries(self) -> Iterator[Entry]:
        """All entries outside the bin, the oldest first."""
        return self._journals.entries()

    def entry(self, entry_id: str) -> Entry:
        """One entry. Raises UserError("no_entry")."""
        return self._journals.entry(entry_id)

    def versions(self, entry_id: str) -> list[Entry]:
        """What an entry was before its edits, the oldest first."""
        return self._journals.versions(entry_id)

    def add(self, text: str, title: str = "", check_in: CheckIn | None = None, tags: tuple[str, ...] = ()) -> Entry:
        """Keeps a new entry, written now. Raises UserError if it could not be kept."""
        time = now()
        entry = Entry(uuid.uuid4().hex, title, text, time, local_zone(), time, check_in or CheckIn(), (), tags)
        self._journals.add(entry)
        return entry

    def edit(self, entry: Entry) -> Entry:
        """Keeps what an entry has become; what it was stays among its versions. Raises UserError."""
        entry = replace(entry, updated_at=now())
        self._journals.edit(entry)
        return entry

    def find(self, words: str, chosen: Filter | None = None) -> list[Found]:
        """What holds all the words, the newest first. Raises UserError("nothing_to_find")."""
        return self._search.find(words, chosen)

    def delete(self, thing_id: str) -> None:
        """Puts a talk or an entry into the bin. Raises UserError("nothing_there")."""
        self._bin.put(thing_id, now())

    def take_back(self, thing_id: str) -> None:
        """Takes a talk or an entry out of the bin. Raises UserError("not_in_bin")."""
        self._bin.take_back(thing_id)

    def binned(self) -> list[tuple[str, str, str, str]]:
        """(kind, id, title, deleted_at) of what lies in the bin."""
        return self._bin.contents()

    def empty_bin(self) -> int:
        """Truly erases all that lies in the bin; gives how many. Raises UserError."""
        return self._bin.erase("~")

    def tidy_bin(self) -> int:
        """Truly erases what has lain in the bin for 30 days; gives how many. Raises UserError."""
        return self._bin.erase(utc_text(datetime.now(UTC) - timedelta(days=BIN_DAYS)))

    def export(self, format_name: str, out: Path, chosen: Selection = WHOLE, passphrase: str | None = None) -> None:
        """Has the journal written to `out`, over what is there; the person was asked. Returns at once."""
        self._work.ask(
            "export",
            folder=str(self._folder),
            key=self._key.hex(),
            format_name=format_name,
            out=str(out),
            overwrite=True,
            chosen={**asdict(chosen), "kinds": sorted(chosen.kinds)},
            passphrase=passphrase,
        )

    def close(self) -> None:
        """Ends an export under way; nothing half-written stays under its name."""
        self._work.close()
