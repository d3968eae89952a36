"""Exercises that were gone through, with the words written in them. Never reads the clock."""

import json
from collections.abc import Iterator
from typing import Any

from desktop.errors import UserError
from desktop.records import ExerciseDone
from desktop.store.database import Vault, told

_COLUMNS = "id, exercise, answers, session_id, created_at, zone, deleted_at"


class ExercisesDone:
    """What was done and answered. Every write is durable when its method returns."""

    def __init__(self, vault: Vault) -> None:
        self._db = vault.db
        self._path = vault.folder

    def add(self, done: ExerciseDone) -> None:
        """Keeps an exercise gone through. Raises UserError (disk_full ...)."""
        answers = json.dumps(done.answers, ensure_ascii=False)
        values = (done.id, done.exercise, answers, done.session_id, done.created_at, done.zone, done.deleted_at)
        with told(self._path):
            self._db.execute(f"INSERT INTO exercises_done ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def exercise(self, done_id: str) -> ExerciseDone:
        """One exercise gone through, in the bin or not. Raises UserError("no_exercise_done")."""
        for row in self._read(f"SELECT {_COLUMNS} FROM exercises_done WHERE id = ?", done_id):
            return _done(row)
        raise UserError("no_exercise_done", id=done_id)

    def exercises(self, start: str = "", end: str = "~") -> Iterator[ExerciseDone]:
        """Those outside the bin with `start` <= created_at < `end` (UTC texts), the oldest first."""
        return map(
            _done,
            self._read(
                f"SELECT {_COLUMNS} FROM exercises_done WHERE deleted_at IS NULL AND created_at >= ?"
                " AND created_at < ? ORDER BY created_at, seq",
                start,
                end,
            ),
        )

    def _read(self, query: str, *values: object) -> Iterator[dict[str, Any]]:
        with told(self._path):
            yield from self._db.query(query, values)


def _done(row: dict[str, Any]) -> ExerciseDone:
    answers = tuple((str(question), str(words)) for question, words in json.loads(row.pop("answers")))
    return ExerciseDone(**row, answers=answers)
