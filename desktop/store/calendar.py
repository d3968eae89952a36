"""Which days hold something, and what was written on this day in other years. Never reads the clock.

A day is the one on the wall where it was written: the instant in the zone kept beside it.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta

from desktop.records import DayKept, Kept
from desktop.store.database import Vault, told
from desktop.walltime import local_day

_KEPT = (
    "SELECT 'session' AS kind, id, title, created_at, zone, NULL AS mood FROM sessions WHERE deleted_at IS NULL"
    " UNION ALL SELECT 'entry', id, CASE title WHEN '' THEN substr(text, 1, 60) ELSE title END, created_at, zone, mood"
    " FROM entries WHERE deleted_at IS NULL"
    " UNION ALL SELECT 'exercise', id, exercise, created_at, zone, NULL FROM exercises_done WHERE deleted_at IS NULL"
)


class Calendar:
    """Talks, entries and exercises by the day."""

    def __init__(self, vault: Vault) -> None:
        self._db = vault.db
        self._path = vault.folder

    def days(self, first: date, last: date) -> list[DayKept]:
        """The days from `first` to `last`, both counted, that hold something, the earliest first."""
        days: dict[date, list[Kept]] = {}
        for kept in self._between(first, last):
            if first <= (day := local_day(kept.created_at, kept.zone)) <= last:
                days.setdefault(day, []).append(kept)
        return [_day(day, found) for day, found in sorted(days.items())]

    def on_this_day(self, today: date) -> list[Kept]:
        """What was begun on this day of the month in earlier years, the latest first. 29 February has only its own."""
        near = {f"{today + timedelta(days=shift):%m-%d}" for shift in (-1, 0, 1)}
        marks = ", ".join("?" * len(near))
        found = [
            kept
            for kept in self._read(f"substr(created_at, 6, 5) IN ({marks})", *near)
            if (day := local_day(kept.created_at, kept.zone)).year < today.year
            and (day.month, day.day) == (today.month, today.day)
        ]
        return found[::-1]

    def _between(self, first: date, last: date) -> Iterator[Kept]:
        # Zones are at most 14 hours away from UTC.
        start = "" if first == date.min else f"{first - timedelta(days=1)}"
        end = "~" if last == date.max else f"{last + timedelta(days=1)}~"
        return self._read("created_at >= ? AND created_at < ?", start, end)

    def _read(self, condition: str, *values: object) -> Iterator[Kept]:
        with told(self._path):
            query = f"SELECT * FROM ({_KEPT}) WHERE {condition} ORDER BY created_at"
            for row in self._db.query(query, values):
                yield Kept(**row)


def _day(day: date, found: list[Kept]) -> DayKept:
    count = Counter(kept.kind for kept in found)
    moods = tuple(kept.mood for kept in found if kept.mood is not None)
    return DayKept(day.isoformat(), count["session"], count["entry"], count["exercise"], moods)
