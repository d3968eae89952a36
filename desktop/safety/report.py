"""How well the screen does on labelled rows, as Markdown. Never prints a text: misses are listed by id."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from desktop.records import Category, Level
from desktop.safety.screen import screen
from desktop.safety.spelling import is_disguised
from desktop.safety.verdict import Verdict

LANGUAGES = ("en", "de", "es", "fr")
WORST = 20
# The normal deviate of a 95 % interval.
_Z = 1.96


@dataclass(frozen=True)
class Judged:
    """One row and what the screen said of it."""

    id: str
    label: Level
    category: str
    language: str
    has_turns: bool
    disguised: bool
    verdict: Verdict


def judge(rows: Iterable[Mapping[str, Any]]) -> list[Judged]:
    """Has each row screened, standing alone. Raises KeyError or ValueError for a row that is none."""
    return [
        Judged(
            str(row.get("id", number)),
            Level(row["label"]),
            str(row["category"]),
            str(row.get("lang", "")),
            bool(row.get("turns")),
            is_disguised(row["text"]),
            screen([(turn["role"], turn["text"]) for turn in row.get("turns", ())] + [("user", row["text"])]),
        )
        for number, row in enumerate(rows, 1)
    ]


def interval(hits: int, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share. Source: Wilson, J. Am. Stat. Assoc. 22 (1927)."""
    if count == 0:
        return 0.0, 1.0
    share, square = hits / count, _Z * _Z
    middle = (share + square / (2 * count)) / (1 + square / count)
    reach = _Z / (1 + square / count) * sqrt(share * (1 - share) / count + square / (4 * count * count))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def report(judged: Sequence[Judged]) -> str:
    """The measures, then the same by language and category, then the worst misses."""
    lines = ["| measure | share | 95 % interval | rows |", "|---|---|---|---|"]
    crisis = _having(Level.CRISIS)
    grave = _having(Level.CRISIS, Level.HIGH)
    none, sensitive = _having(Level.NONE), _having(Level.SENSITIVE)
    lines += [
        _line("crisis raised to high or crisis", judged, crisis, Level.HIGH),
        _line("crisis and high together", judged, grave, Level.HIGH),
        _line("crisis raised to crisis", judged, crisis, Level.CRISIS),
        _line("false alarms: none raised to high or crisis", judged, none, Level.HIGH),
        _line("none raised to sensitive or more", judged, none, Level.SENSITIVE),
        _line("sensitive seen as sensitive or more", judged, sensitive, Level.SENSITIVE),
        _line("sensitive raised to crisis", judged, sensitive, Level.CRISIS),
        _line("with earlier turns, crisis and high", judged, lambda row: grave(row) and row.has_turns, Level.HIGH),
        _line("disguised, crisis and high", judged, lambda row: grave(row) and row.disguised, Level.HIGH),
    ]
    for language in LANGUAGES:
        here = [row for row in judged if row.language == language]
        lines.append(_line(f"{language}: crisis and high", here, grave, Level.HIGH))
        lines.append(_line(f"{language}: false alarms", here, none, Level.HIGH))
    for category in Category:
        here = [row for row in judged if row.category == category]
        for name, wanted, least in (("raised", grave, Level.HIGH), ("seen", sensitive, Level.SENSITIVE)):
            if any(map(wanted, here)):
                lines.append(_line(f"{category}: {name}", here, wanted, least))
    return "\n".join([*lines, "", *_worst(judged)]) + "\n"


def _having(*levels: Level) -> Callable[[Judged], bool]:
    return lambda row: row.label in levels


def _line(name: str, judged: Sequence[Judged], wanted: Callable[[Judged], bool], least: Level) -> str:
    rows = [row for row in judged if wanted(row)]
    if not rows:
        return f"| {name} | | | 0 |"
    hits = sum(row.verdict.level.rank >= least.rank for row in rows)
    low, high = interval(hits, len(rows))
    return f"| {name} | {hits / len(rows):.3f} | {low:.3f} to {high:.3f} | {len(rows)} |"


def _worst(judged: Sequence[Judged]) -> list[str]:
    grave = [row for row in judged if row.label.rank >= Level.HIGH.rank and row.verdict.level.rank < Level.HIGH.rank]
    false = [row for row in judged if row.label == Level.NONE and row.verdict.level.rank >= Level.HIGH.rank]
    missed = sorted(grave, key=lambda row: (-row.label.rank, row.verdict.score))[:WORST]
    rung = sorted(false, key=lambda row: -row.verdict.score)[:WORST]
    return [
        "Missed, the worst first: "
        + (", ".join(f"{row.id} ({row.label}, {row.category})" for row in missed) or "none"),
        "",
        "Rung falsely, the worst first: " + (", ".join(f"{row.id} ({row.category})" for row in rung) or "none"),
    ]
