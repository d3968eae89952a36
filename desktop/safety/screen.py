"""Reads what a person wrote for danger to themselves or others. Never needs a model, the network or Qt.

This is the floor, which is always there; what a learned stage has to say is handed in by the flow.
"""

import re
import tomllib
from collections.abc import Callable, Sequence
from functools import cache

from desktop.paths import RESOURCES
from desktop.records import Category, Level, Message
from desktop.safety.verdict import Verdict

Said = Message | tuple[str, str]
"""One turn: a message, or (role, text) with the role "user", "assistant" or "written"."""

Screen = Callable[[Sequence[Said]], Verdict]


def screen(turns: Sequence[Said]) -> Verdict:
    """What the last turn asks for, in the light of those before it, the oldest first."""
    said = turns[-1] if turns else ("user", "")
    text = said.text if isinstance(said, Message) else said[1]
    words = " ".join(text.casefold().replace("’", "'").split())
    if _phrases().search(words):
        return Verdict(Level.CRISIS, Category.SUICIDE, 1.0, ("rule:phrase",))
    return Verdict(Level.NONE, Category.EVERYDAY, 0.0)


@cache
def _phrases() -> re.Pattern[str]:
    with (RESOURCES / "safety" / "phrases.toml").open("rb") as file:
        phrases = tomllib.load(file)["crisis"]
    return re.compile(r"\b(?:" + "|".join(map(re.escape, phrases)) + r")\b")
