"""What follows from verdicts for the talk as a whole. Never forgets at once: care comes down slowly."""

from collections.abc import Sequence

from desktop.records import Level

# For so many of the person's messages after a high or crisis one the model is told to be careful.
RECENT = 4


def care(levels: Sequence[Level]) -> Level:
    """How careful the model has to be: HIGH while one of the last messages was high or crisis, else the last level.

    `levels` are those of the person's messages, the last one last. One calm message does not end the care.
    """
    if any(level in (Level.HIGH, Level.CRISIS) for level in levels[-1 - RECENT :]):
        return Level.HIGH
    return levels[-1] if levels else Level.NONE
