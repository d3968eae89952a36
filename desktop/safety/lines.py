"""Crisis lines and emergency numbers by country, out of resources/crisis_lines/. Never dials or guesses one.

A line that no person has confirmed at its provider is shown only where at least two sources agree on it.
"""

import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from desktop.paths import RESOURCES
from desktop.records import Category

FOLDER = RESOURCES / "crisis_lines"
# The block that belongs to no country: directories, and the number that reaches help in many places.
EVERYWHERE = "ZZ"
SOURCES_NEEDED = 2
EMERGENCY, CRISIS_LINE, DIRECTORY = "emergency_number", "crisis_line", "directory"
LINES_SHOWN = 3
_FOR_CATEGORY = {
    Category.ABUSE: ("domestic_abuse", "sexual_abuse"),
    Category.SUBSTANCE: ("substance_use",),
    Category.THIRD_PARTY: ("relatives",),
}


@dataclass(frozen=True)
class Line:
    """One line. `phone` as dialled inside the country, `text` and `chat` in words; `checked`: when a person did.

    `source_count` sources, the newest of `source_year`, say so; `hours` are local.
    """

    name: str
    kind: str
    audience: str
    source_count: int
    sources: tuple[str, ...]
    source_year: int | None = None
    phone: str | None = None
    text: str | None = None
    chat: str | None = None
    hours: str | None = None
    languages: tuple[str, ...] = ()
    note: str | None = None
    checked: date | None = None

    @property
    def is_shown(self) -> bool:
        """Whether a person may be sent there: somebody confirmed it, or several sources agree."""
        return self.checked is not None or self.source_count >= SOURCES_NEEDED

    @property
    def ways(self) -> str:
        """How it is reached, in one line of text."""
        return "; ".join(way for way in (self.phone, self.text, self.chat) if way)


def countries() -> dict[str, str]:
    """Names of the countries with lines, by their ISO 3166-1 code, in the order of the names."""
    named = {path.stem.upper(): str(_file(path.stem)["name"]) for path in FOLDER.glob("*.toml")}
    named.pop(EVERYWHERE)
    return dict(sorted(named.items(), key=lambda one: one[1]))


def lines(country: str | None) -> list[Line]:
    """Every line of a country, shown or not; those of no country for None or one that is not listed."""
    code = (country or EVERYWHERE).lower()
    if not code.isalpha() or not (FOLDER / f"{code}.toml").exists():
        code = EVERYWHERE.lower()
    found = []
    for entry in _file(code)["lines"]:
        tuples = {"languages": tuple(entry.get("languages", ())), "sources": tuple(entry["sources"])}
        found.append(Line(**{**entry, **tuples}))
    return found


def fitting(country: str | None, category: Category) -> list[Line]:
    """Lines to show: emergency numbers, then at most three for `category` and everyone, then directories."""
    shown = [line for line in lines(country) if line.is_shown]
    special = _FOR_CATEGORY.get(category, ())
    calls = [line for line in shown if line.kind == CRISIS_LINE]
    chosen = [line for line in calls if line.audience in special] + [
        line for line in calls if line.audience == "everyone"
    ]
    emergency = [line for line in shown if line.kind == EMERGENCY] or [
        line for line in lines(None) if line.kind == EMERGENCY
    ]
    directories = [line for line in lines(None) if line.kind == DIRECTORY and line.is_shown]
    return [
        *emergency,
        *chosen[:LINES_SHOWN],
        *(directories[:1] if chosen else directories),
    ]


@cache
def _file(code: str) -> dict[str, Any]:
    with (FOLDER / f"{code}.toml").open("rb") as file:
        return tomllib.load(file)
