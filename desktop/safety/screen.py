"""Reads what a person wrote for danger to themselves. Never sees or needs a model.

This is the first, thin form: plain English phrases of intent, read from resources/safety/. It misses most of
what people write when they are at risk, and the README says so.
"""

import re
import tomllib
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import cache

from desktop.paths import RESOURCES
from desktop.records import Message


class Level(StrEnum):
    """How much care a message asks for."""

    NONE = "none"
    CRISIS = "crisis"


Screen = Callable[[Sequence[Message]], Level]


def screen(messages: Sequence[Message]) -> Level:
    """The level of the last message."""
    words = " ".join(messages[-1].text.casefold().replace("’", "'").split())
    return Level.CRISIS if _phrases().search(words) else Level.NONE


@cache
def _phrases() -> re.Pattern[str]:
    with (RESOURCES / "safety" / "phrases.toml").open("rb") as file:
        phrases = tomllib.load(file)["crisis"]
    return re.compile(r"\b(?:" + "|".join(map(re.escape, phrases)) + r")\b")
