"""Which of the automatic backups are kept. Pure arithmetic on dates, never a file."""

from collections.abc import Iterable
from datetime import date

DAILY, WEEKLY, MONTHLY = 7, 4, 6


def kept(days: Iterable[date]) -> set[date]:
    """Of the days with a backup: the last 7, the last of each of the last 4 weeks, of each of the last 6 months."""
    ordered = sorted(set(days), reverse=True)
    chosen = set(ordered[:DAILY])
    for group, count in (("%G-%V", WEEKLY), ("%Y-%m", MONTHLY)):
        latest: dict[str, date] = {}
        for day in ordered:
            latest.setdefault(day.strftime(group), day)
        chosen |= set(list(latest.values())[:count])
    return chosen
