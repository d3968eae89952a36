"""Reads what a person wrote for danger to themselves or others. Never needs a model, the network or Qt.

This is the floor, which is always there: rules, and a linear model over words and runs of letters.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np

from desktop.paths import RESOURCES
from desktop.records import Category, Level
from desktop.safety import linear
from desktop.safety.linear import Linear
from desktop.safety.reading import read
from desktop.safety.verdict import Said, Verdict

RAISED = (Level.SENSITIVE, Level.HIGH, Level.CRISIS)
# What a level may be about: the model's best guess is looked for among these alone.
_GRAVE = (
    Category.SUICIDE,
    Category.SELF_HARM,
    Category.HARM_OTHERS,
    Category.ABUSE,
    Category.MEDICAL_EMERGENCY,
    Category.PSYCHOSIS,
    Category.EATING,
    Category.SUBSTANCE,
)
_FITTING: dict[Level, tuple[Category, ...]] = {
    Level.NONE: (Category.EVERYDAY, Category.FIGURATIVE, Category.PAST, Category.MEDICATION),
    Level.SENSITIVE: (
        Category.DIAGNOSIS_REQUEST,
        Category.MEDICATION,
        Category.GRIEF,
        Category.THIRD_PARTY,
        Category.PAST,
        Category.EATING,
        Category.SUBSTANCE,
        Category.HARM_OTHERS,
        Category.ABUSE,
    ),
    Level.HIGH: _GRAVE,
    Level.CRISIS: (*_GRAVE, Category.THIRD_PARTY),
}


def screen(turns: Sequence[Said]) -> Verdict:
    """What the last turn asks for, in the light of those before it, the oldest first."""
    pieces, hits = read(turns)
    if not pieces:
        return Verdict(Level.NONE, Category.EVERYDAY, 0.0)
    model = _model()
    scores = np.array([model.scores(piece) for piece in pieces])
    worst = scores[int(np.argmax(scores[:, 1]))]
    chances = 1 / (1 + np.exp(-np.max(scores[:, :3], axis=0)))
    level = Level.NONE
    for rank, candidate in enumerate(RAISED):
        if chances[rank] >= model.thresholds[rank] and (rank < 2 or level == Level.HIGH):
            level = candidate
    raised = [rule for rule in hits if rule.raises]
    by_rule = max((rule.level for rule in raised), key=lambda found: found.rank, default=Level.NONE)
    category = _category(level, worst[3:])
    if by_rule.rank > level.rank:
        level = by_rule
        category = next(rule.category for rule in raised if rule.level == by_rule)
    evidence = tuple(f"rule:{rule.id}" for rule in hits) + (("words",) if level != Level.NONE else ())
    return Verdict(level, category, round(float(max(chances[1], 0.9 if by_rule.rank >= 2 else 0.0)), 4), evidence)


def _category(level: Level, scores: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> Category:
    order = list(Category)
    return max(_FITTING[level], key=lambda category: float(scores[order.index(category)]))


@cache
def _model() -> Linear:
    return linear.load(RESOURCES / "safety" / "screen.npz")
