"""What is looked for by pattern, with an eye on negation, time, person and figures of speech.

Never knows more of risk than resources/safety/rules.toml says.
"""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from typing import Any

from desktop.paths import RESOURCES
from desktop.records import Category, Level

# How far before a find a guard may stand, in characters; and what ends a clause.
_REACH = 60
_CLAUSE = re.compile(r"[.?!;:]")


@dataclass(frozen=True)
class Rule:
    """`raises`: a find alone sets the level; else it only weighs."""

    id: str
    level: Level
    category: Category
    raises: bool
    pattern: re.Pattern[str]
    guards: tuple[re.Pattern[str], ...]


def without_figures(text: str) -> str:
    """The text, as `spelling.plain` gives it, without its known figures of speech."""
    return " ".join(_figures().sub(" ", text).split())


def found(text: str) -> tuple[Rule, ...]:
    """The rules that find something in `text`, as `spelling.plain` gives it."""
    return tuple(rule for rule in _rules() if any(_counts(rule, text, find) for find in rule.pattern.finditer(text)))


def _counts(rule: Rule, text: str, find: re.Match[str]) -> bool:
    before = _CLAUSE.split(text[max(0, find.start() - _REACH) : find.start()])[-1]
    return not any(guard.search(before) for guard in rule.guards)


@cache
def _data() -> dict[str, Any]:
    with (RESOURCES / "safety" / "rules.toml").open("rb") as file:
        return tomllib.load(file)


@cache
def _figures() -> re.Pattern[str]:
    return re.compile("|".join(_data()["figures"]["any"]))


@cache
def _rules() -> tuple[Rule, ...]:
    data = _data()
    return tuple(
        Rule(
            rule["id"],
            Level(rule["level"]),
            Category(rule["category"]),
            rule["raises"],
            re.compile("|".join(rule["any"])),
            tuple(re.compile(data["guards"][name]) for name in rule["guards"]),
        )
        for rule in data["rule"]
    )
