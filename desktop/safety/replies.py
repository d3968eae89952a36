"""What is said at a raised level, with the lines of the person's country. Never a word of the model."""

import tomllib
from collections.abc import Sequence
from functools import cache
from typing import Any

from desktop.paths import RESOURCES
from desktop.records import Category, Level
from desktop.safety.lines import DIRECTORY, EMERGENCY, Line, fitting


def reply(level: Level, category: Category, country: str | None, said: Sequence[str]) -> str:
    """The written reply for a level of high or crisis; `said` are earlier written replies, the oldest first.

    Never begins as the last one did, and comes round only when all that fit have been said.
    """
    texts = _replies()[level.value]
    variants: list[str] = texts.get(category.value, texts["any"])
    head = min(variants, key=lambda variant: _last_said(variant, said))
    return f"{head}\n\n{resources(category, country)}"


def resources(category: Category, country: str | None) -> str:
    """Whom to call or write to, one a line, as text."""
    words = _replies()["words"]
    found = fitting(country, category)
    parts = [] if country else [words["no_country"]]
    parts += [_worded(line, words) for line in found if country or line.kind == DIRECTORY]
    years = [line.source_year for line in found if line.checked is None and line.source_year]
    if years:
        parts.append(words["not_checked"].format(year=min(years)))
    return "\n".join([*parts, words["nobody"]])


def _worded(line: Line, words: dict[str, str]) -> str:
    form = words[{EMERGENCY: "emergency", DIRECTORY: "directory"}.get(line.kind, "line")]
    hours = words["hours"].format(hours=line.hours) if line.hours else ""
    return form.format(name=line.name, ways=line.ways) + hours


def _last_said(variant: str, said: Sequence[str]) -> int:
    """Where a reply was said last, -1 for never."""
    return max((place for place, text in enumerate(said) if text.startswith(variant)), default=-1)


@cache
def _replies() -> dict[str, Any]:
    with (RESOURCES / "safety" / "replies" / "en.toml").open("rb") as file:
        return tomllib.load(file)
