"""Values, goals, things to know and the plan for hard moments. Never writes a word that the person did not confirm."""

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace

from desktop.errors import UserError
from desktop.flows.clock import local_zone, now
from desktop.records import Note, NoteKind, Origin
from desktop.store.bin import Bin
from desktop.store.database import Vault
from desktop.store.notes import PLAN, Notes

__all__ = ["PLAN", "NotesFlow"]


class NotesFlow:
    """Everything answers at once."""

    def __init__(self, vault: Vault) -> None:
        self._notes = Notes(vault)
        self._bin = Bin(vault)

    def add(self, kind: NoteKind, text: str, origin: Origin = Origin.WRITTEN) -> Note:
        """Keeps a new note, written now. Raises UserError: nothing_to_keep and what keeping raises."""
        if not text.strip():
            raise UserError("nothing_to_keep")
        time = now()
        note = Note(uuid.uuid4().hex, kind, text, origin, time, local_zone(), time)
        self._notes.add(note)
        return note

    def edit(self, note_id: str, text: str) -> Note:
        """Keeps what a note has become; what it was stays among its versions. Raises UserError."""
        if not text.strip():
            raise UserError("nothing_to_keep")
        note = replace(self._notes.note(note_id), text=text, updated_at=now())
        self._notes.edit(note)
        return note

    def notes(self, kinds: Iterable[NoteKind] = tuple(NoteKind)) -> Iterator[Note]:
        """Notes of these kinds outside the bin, in the order they were written."""
        return self._notes.notes(kinds)

    def versions(self, note_id: str) -> list[tuple[str, str]]:
        """(when it was replaced, words) before each edit, the oldest first."""
        return self._notes.versions(note_id)

    def plan(self) -> dict[NoteKind, Note]:
        """The sections of the plan that hold something, in the order of the plan."""
        sections = ((kind, self._notes.section(kind)) for kind in PLAN)
        return {kind: note for kind, note in sections if note}

    def edit_plan(self, kind: NoteKind, text: str) -> None:
        """Keeps what a section of the plan has become; an empty one goes into the bin. Raises UserError."""
        section = self._notes.section(kind)
        if section is None and text.strip():
            self.add(kind, text)
        elif section is not None and not text.strip():
            self._bin.put(section.id, now())
        elif section is not None and section.text != text:
            self.edit(section.id, text)
