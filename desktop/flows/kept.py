"""Exercises done, pictures and the calendar. Never a word about what any of it means."""

import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from desktop.errors import UserError
from desktop.flows.clock import local_zone, now
from desktop.records import Attachment, DayKept, ExerciseDone, Kept
from desktop.store.attachments import MOST_BYTES, Attachments
from desktop.store.calendar import Calendar
from desktop.store.database import Vault
from desktop.store.exercises_done import ExercisesDone


class KeptFlow:
    """Everything answers at once."""

    def __init__(self, vault: Vault) -> None:
        self._exercises = ExercisesDone(vault)
        self._attachments = Attachments(vault)
        self._calendar = Calendar(vault)

    def finish_exercise(self, name: str, answers: tuple[tuple[str, str], ...], session_id: str | None) -> ExerciseDone:
        """Keeps an exercise gone through just now. Raises UserError if it could not be kept."""
        done = ExerciseDone(uuid.uuid4().hex, name, answers, session_id, now(), local_zone())
        self._exercises.add(done)
        return done

    def exercises(self) -> Iterator[ExerciseDone]:
        """The exercises gone through, the oldest first."""
        return self._exercises.exercises()

    def attach(self, entry_id: str, picture: Path) -> Attachment:
        """Keeps a copy of a picture with an entry.

        Raises UserError: picture_unreadable, picture_too_large, picture_unknown, no_entry.
        """
        try:
            with picture.open("rb") as file:
                content = file.read(MOST_BYTES + 1)
        except OSError as error:
            raise UserError("picture_unreadable", path=str(picture)) from error
        return self._attachments.add(uuid.uuid4().hex, entry_id, picture.name, content, now())

    def pictures(self, entry_id: str) -> list[Attachment]:
        """The pictures of an entry."""
        return self._attachments.attachments(entry_id)

    def picture(self, attachment_id: str) -> bytes:
        """A picture's bytes. Raises UserError("no_picture")."""
        return self._attachments.content(attachment_id)

    def erase_picture(self, attachment_id: str) -> None:
        """Takes a picture away for good. Raises UserError("no_picture")."""
        self._attachments.erase(attachment_id)

    def days(self, first: date, last: date) -> list[DayKept]:
        """The days that hold something, the earliest first."""
        return self._calendar.days(first, last)

    def on_this_day(self, today: date | None = None) -> list[Kept]:
        """What was begun on this day in earlier years, the latest first."""
        return self._calendar.on_this_day(today or date.today())
