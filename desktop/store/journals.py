"""Journal entries, their earlier versions, and the bin. Never reads the clock: times are handed in."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from desktop.errors import UserError
from desktop.records import CheckIn, Entry
from desktop.store.database import Vault, told

_COLUMNS = (
    "id, title, text, created_at, zone, updated_at, mood, tension, energy, sleep, feelings, tags,"
    " session_id, deleted_at, exercise_id"
)


class Journals:
    """What the person wrote for themselves. Every write is durable when its method returns."""

    def __init__(self, vault: Vault) -> None:
        self._db = vault.db
        self._path = vault.folder

    def add(self, entry: Entry) -> None:
        """Keeps a new entry. Raises UserError (disk_full ...)."""
        with told(self._path):
            marks = ", ".join("?" * len(_values(entry)))
            self._db.execute(f"INSERT INTO entries ({_COLUMNS}) VALUES ({marks})", _values(entry))

    def edit(self, entry: Entry) -> None:
        """Keeps an entry's new state, and what it was before among its versions. Raises UserError."""
        before = self.entry(entry.id)
        with told(self._path), self._db.atomic():
            self._db.execute(
                "INSERT INTO versions (entry_id, saved_at, json) VALUES (?, ?, ?)",
                (entry.id, entry.updated_at, json.dumps(asdict(before), ensure_ascii=False)),
            )
            columns = ", ".join(f"{name.strip()} = ?" for name in _COLUMNS.split(","))
            self._db.execute(f"UPDATE entries SET {columns} WHERE id = ?", (*_values(entry), entry.id))

    def entry(self, entry_id: str) -> Entry:
        """One entry, in the bin or not. Raises UserError("no_entry")."""
        for row in self._read(f"SELECT {_COLUMNS} FROM entries WHERE id = ?", entry_id):
            return _entry(row)
        raise UserError("no_entry", id=entry_id)

    def entries(self, start: str = "", end: str = "~") -> Iterator[Entry]:
        """Entries outside the bin with `start` <= created_at < `end` (UTC texts), the oldest first."""
        return map(
            _entry,
            self._read(
                f"SELECT {_COLUMNS} FROM entries WHERE deleted_at IS NULL AND created_at >= ? AND created_at < ?"
                " ORDER BY created_at, seq",
                start,
                end,
            ),
        )

    def versions(self, entry_id: str) -> list[Entry]:
        """What an entry was before its edits, the oldest first."""
        rows = self._read("SELECT json FROM versions WHERE entry_id = ? ORDER BY seq", entry_id)
        found = []
        for row in rows:
            stored = json.loads(row["json"])
            stored["check_in"] = CheckIn(**stored["check_in"])
            found.append(Entry(**{**stored, "feelings": tuple(stored["feelings"]), "tags": tuple(stored["tags"])}))
        return found

    def _read(self, query: str, *values: object) -> Iterator[dict[str, Any]]:
        with told(self._path):
            yield from self._db.query(query, values)


def _values(entry: Entry) -> tuple[object, ...]:
    check_in = entry.check_in
    return (
        entry.id, entry.title, entry.text, entry.created_at, entry.zone, entry.updated_at,
        check_in.mood, check_in.tension, check_in.energy, check_in.sleep,
        json.dumps(entry.feelings, ensure_ascii=False), json.dumps(entry.tags, ensure_ascii=False),
        entry.session_id, entry.deleted_at, entry.exercise_id,
    )  # fmt: skip


def _entry(row: dict[str, Any]) -> Entry:
    check_in = CheckIn(row.pop("mood"), row.pop("tension"), row.pop("energy"), row.pop("sleep"))
    feelings, tags = tuple(json.loads(row.pop("feelings"))), tuple(json.loads(row.pop("tags")))
    return Entry(**row, check_in=check_in, feelings=feelings, tags=tags)
