"""What the screen says of a message. Never holds the person's words."""

from dataclasses import dataclass

from desktop.records import Category, Level


@dataclass(frozen=True)
class Verdict:
    """`score` rises with danger, 0 to 1; `evidence` names what was found by kind ("rule:...", "words")."""

    level: Level
    category: Category
    score: float
    evidence: tuple[str, ...] = ()
