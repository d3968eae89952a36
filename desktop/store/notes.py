"""Values, goals, things to know, the plan for hard moments, and their earlier versions. Never reads the clock."""

from collections.abc import Iterable, Iterator
from typing import Any

from desktop.errors import UserError
from desktop.records import Note, NoteKind, Origin
from desktop.store.database import Vault, told

PLAN = tuple(kind for kind in NoteKind if kind.value.startswith("plan_"))
_COLUMNS = "id, kind, text, origin, created_at, zone, updated_at, deleted_at"


class Notes:
    """What stays true beyond one day. Every write is durable when its method returns."""

    def __init__(self, vault: Vault) -> None:
        self._db = vault.db
        self._path = vault.folder

    def add(self, note: Note) -> None:
        """Keeps a new note. Raises UserError (disk_full ...)."""
        with told(self._path):
            self._db.execute(f"INSERT INTO notes ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _values(note))

    def edit(self, note: Note) -> None:
        """Keeps what a note has become, and its words before among its versions. Raises UserError."""
        before = self.note(note.id)
        with told(self._path), self._db.atomic():
            self.add_version(note.id, note.updated_at, before.text)
            columns = ", ".join(f"{name.strip()} = ?" for name in _COLUMNS.split(","))
            self._db.execute(f"UPDATE notes SET {columns} WHERE id = ?", (*_values(note), note.id))

    def add_version(self, note_id: str, saved_at: str, text: str) -> None:
        """Keeps words that a note had until `saved_at`. Raises UserError."""
        with told(self._path):
            self._db.execute(
                "INSERT INTO note_versions (note_id, saved_at, text) VALUES (?, ?, ?)", (note_id, saved_at, text)
            )

    def note(self, note_id: str) -> Note:
        """One note, in the bin or not. Raises UserError("no_note")."""
        for row in self._read(f"SELECT {_COLUMNS} FROM notes WHERE id = ?", note_id):
            return _note(row)
        raise UserError("no_note", id=note_id)

    def notes(self, kinds: Iterable[NoteKind] = tuple(NoteKind)) -> Iterator[Note]:
        """Notes of these kinds outside the bin, in the order they were written."""
        wanted = [kind.value for kind in kinds]
        marks = ", ".join("?" * len(wanted))
        query = f"SELECT {_COLUMNS} FROM notes WHERE deleted_at IS NULL AND kind IN ({marks}) ORDER BY seq"
        return map(_note, self._read(query, *wanted))

    def section(self, kind: NoteKind) -> Note | None:
        """A section of the plan outside the bin, the one written last."""
        found = list(self.notes([kind]))
        return found[-1] if found else None

    def versions(self, note_id: str) -> list[tuple[str, str]]:
        """(when it was replaced, words) before each edit, the oldest first."""
        rows = self._read("SELECT saved_at, text FROM note_versions WHERE note_id = ? ORDER BY seq", note_id)
        return [(row["saved_at"], row["text"]) for row in rows]

    def _read(self, query: str, *values: object) -> Iterator[dict[str, Any]]:
        with told(self._path):
            yield from self._db.query(query, values)


def _values(note: Note) -> tuple[object, ...]:
    return (
        note.id, note.kind.value, note.text, note.origin.value,
        note.created_at, note.zone, note.updated_at, note.deleted_at,
    )  # fmt: skip


def _note(row: dict[str, Any]) -> Note:
    return Note(**{**row, "kind": NoteKind(row["kind"]), "origin": Origin(row["origin"])})
