"""Reads all that is kept, for taking it out. Never writes, and never hands out what lies in the bin."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from desktop.carried import (
    Belongings,
    CarriedEntry,
    CarriedEvent,
    CarriedExercise,
    CarriedNote,
    CarriedTalk,
    Picture,
    Selection,
    Stream,
    Versions,
)
from desktop.records import Entry, ExerciseDone, Message, Role, Session
from desktop.store.attachments import Attachments
from desktop.store.chats import Chats
from desktop.store.database import Vault, told
from desktop.store.exercises_done import ExercisesDone
from desktop.store.journals import Journals
from desktop.store.notes import Notes
from desktop.store.safety_events import SafetyEvents
from desktop.walltime import local_day

# What an import from another app is known by; our own exports are known by the ids themselves.
OWN = "quietroom:"

Linked = TypeVar("Linked", Entry, ExerciseDone)


class Outgoing:
    """One look at the vault: between `begin` and `end` nothing that another process writes is seen."""

    def __init__(self, vault: Vault, chosen: Selection) -> None:
        self._vault = vault
        self._db = vault.db
        self._chosen = chosen
        self._chats, self._journals, self._attachments = Chats(vault), Journals(vault), Attachments(vault)
        self._notes, self._exercises, self._events = Notes(vault), ExercisesDone(vault), SafetyEvents(vault)
        self._sessions: list[Session] = []

    def begin(self) -> Belongings:
        """Everything that was chosen. Raises UserError("no_session") where one talk is wanted that is not there."""
        with told(self._vault.folder):
            self._db.execute("BEGIN")
        self._sessions = self._chosen_sessions()
        return Belongings(
            sessions=Stream(self._talks),
            entries=Stream(self._entries),
            exercises=Stream(self._done),
            notes=Stream(self._all_notes),
            events=Stream(self._all_events),
            is_part=self._chosen.is_part,
        )

    def end(self) -> None:
        """The look is over."""
        with told(self._vault.folder):
            self._db.execute("ROLLBACK")

    def _chosen_sessions(self) -> list[Session]:
        if self._chosen.session_id is not None:
            return [self._chats.session(self._chosen.session_id)]
        if "session" not in self._chosen.kinds:
            return []
        sessions = self._chats.sessions()[::-1]
        if not self._has_days:
            return sessions
        return [one for one in sessions if next(self._messages(one), None) or self._is_in(one.created_at, one.zone)]

    def _talks(self) -> Iterator[CarriedTalk]:
        sources = self._sources("session")
        for session in self._sessions:
            rows = self._rows(
                "SELECT DISTINCT model_name FROM messages WHERE session_id = ? AND role = 'assistant'", session.id
            )
            (extra,) = self._rows("SELECT extra FROM sessions WHERE id = ?", session.id)
            yield CarriedTalk(
                session,
                Stream(partial(self._messages, session)),
                tuple(sorted(row["model_name"] or "?" for row in rows)),
                json.loads(extra["extra"]),
                sources.get(session.id),
            )

    def _messages(self, session: Session) -> Iterator[tuple[Message, Versions]]:
        edited = {
            row["id"]
            for row in self._rows(
                "SELECT DISTINCT m.id FROM messages m JOIN message_versions v ON v.message_id = m.id"
                " WHERE m.session_id = ?",
                session.id,
            )
        }
        taken: set[str] = set()
        for message in self._chats.messages(session.id):
            if self._has_days and not self._is_said_in(message, session.zone, taken):
                continue
            yield message, tuple(self._chats.versions(message.id)) if message.id in edited else ()

    def _is_said_in(self, message: Message, zone: str, taken: set[str]) -> bool:
        """By its day; an answer goes with what it answers, past midnight too."""
        is_in = message.reply_to in taken if message.role != Role.USER and message.reply_to else None
        if is_in is None:
            is_in = self._is_in(message.created_at, zone)
        if is_in:
            taken.add(message.id)
        return is_in

    def _entries(self) -> Iterator[CarriedEntry]:
        if not self._wants("entry"):
            return
        sources, linked = self._sources("entry"), {session.id for session in self._sessions}
        for entry in self._journals.entries():
            if not self._is_in(entry.created_at, entry.zone):
                continue
            (extra,) = self._rows("SELECT extra FROM entries WHERE id = ?", entry.id)
            pictures = tuple(
                Picture(one.id, one.name, one.media_type, one.created_at, partial(self._attachments.content, one.id))
                for one in self._attachments.attachments(entry.id)
            )
            yield CarriedEntry(
                _unlinked(entry, linked),
                self._entry_versions(entry.id),
                pictures,
                json.loads(extra["extra"]),
                sources.get(entry.id),
            )

    def _entry_versions(self, entry_id: str) -> tuple[tuple[str, Entry], ...]:
        times = [row["saved_at"] for row in self._rows(
            "SELECT saved_at FROM versions WHERE entry_id = ? ORDER BY seq", entry_id
        )]  # fmt: skip
        return tuple(zip(times, self._journals.versions(entry_id), strict=True)) if times else ()

    def _done(self) -> Iterator[CarriedExercise]:
        if self._wants("exercise"):
            linked = {session.id for session in self._sessions}
            for done in self._exercises.exercises():
                if self._is_in(done.created_at, done.zone):
                    yield CarriedExercise(_unlinked(done, linked))

    def _all_notes(self) -> Iterator[CarriedNote]:
        if self._wants("note"):
            for note in self._notes.notes():
                if self._is_in(note.created_at, note.zone):
                    yield CarriedNote(note, tuple(self._notes.versions(note.id)))

    def _all_events(self) -> Iterator[CarriedEvent]:
        """Those of the talks that are taken out, and those of none."""
        if "safety" not in self._chosen.kinds:
            return
        linked = {session.id for session in self._sessions}
        for event in reversed(self._events.events()):
            is_of_these = event.session_id in linked or (event.session_id is None and not self._chosen.session_id)
            if is_of_these and self._is_in(event.created_at, event.zone):
                yield CarriedEvent(event)

    def _wants(self, kind: str) -> bool:
        return kind in self._chosen.kinds and self._chosen.session_id is None

    @property
    def _has_days(self) -> bool:
        return bool(self._chosen.start or self._chosen.end)

    def _is_in(self, time: str, zone: str) -> bool:
        return not self._has_days or self._chosen.start <= str(local_day(time, zone)) <= (self._chosen.end or "~")

    def _sources(self, kind: str) -> dict[str, str]:
        """What things are called in the apps they came from."""
        rows = self._rows(
            "SELECT thing_id, source_key FROM imported WHERE kind = ? AND source_key NOT LIKE ?", kind, f"{OWN}%"
        )
        return {row["thing_id"]: row["source_key"] for row in rows}

    def _rows(self, query: str, *values: object) -> Iterator[dict[str, Any]]:
        with told(self._vault.folder):
            yield from self._db.query(query, values)


def _unlinked(thing: Linked, sessions: set[str]) -> Linked:
    """Without the link to a talk that is not taken out."""
    return thing if thing.session_id is None or thing.session_id in sessions else replace(thing, session_id=None)
