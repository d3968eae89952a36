"""Companions: what the model is told and how it answers, out of resources/companions/. Data alone, no behaviour."""

import tomllib
from dataclasses import dataclass

from desktop.paths import RESOURCES


@dataclass(frozen=True)
class Companion:
    """`system` is the system text, `sensitive` and `supportive` what is added before a message at a raised level.

    `max_tokens` bounds an answer; the rest chooses the next token.
    """

    name: str
    system: str
    max_tokens: int
    temperature: float
    top_p: float
    min_p: float
    repeat_penalty: float
    sensitive: str
    supportive: str


def companion(name: str) -> Companion:
    """The companion kept as `name`.toml. Raises OSError for an unknown name."""
    with (RESOURCES / "companions" / f"{name}.toml").open("rb") as file:
        return Companion(**tomllib.load(file))
