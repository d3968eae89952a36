"""What the screen is given and what it says. Never holds the person's words, and never loads numpy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from desktop.records import Category, Level, Message

Said = Message | tuple[str, str]
"""One turn: a message, or (role, text) with the role "user", "assistant" or "written"."""


@dataclass(frozen=True)
class Verdict:
    """`score` rises with danger, 0 to 1; `evidence` names what was found by kind ("rule:...", "words")."""

    level: Level
    category: Category
    score: float
    evidence: tuple[str, ...] = ()


Screen = Callable[[Sequence[Said]], Verdict]
