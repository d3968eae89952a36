"""What stands in place of a sentence that was held back (resources/safety/guard/instead.toml). Never judges one."""

import tomllib
from collections.abc import Sequence
from functools import cache

from desktop.paths import RESOURCES
from desktop.safety.kinds import words_of

FALLBACK = "en"


def instead_of(rule: str, answer: str, said: Sequence[str]) -> str:
    """A written sentence for `rule` in the language of `answer`, other than the one that stands latest in `said`."""
    choices = _read()[language_of(answer)][rule]
    latest = [max((at for at, text in enumerate(said) if choice in text), default=-1) for choice in choices]
    return choices[latest.index(min(latest))]


def language_of(text: str) -> str:
    """The language that most of its small words belong to, of those there are sentences for."""
    words = words_of(text)
    counts = {language: sum(word in small for word in words) for language, small in _small_words().items()}
    # Of two that are equal the first counts, and the fallback stands first.
    return max(counts, key=lambda language: counts[language])


@cache
def _small_words() -> dict[str, frozenset[str]]:
    found = {language: frozenset(words.split()) for language, words in _words().items()}
    return {FALLBACK: found[FALLBACK]} | found


def _words() -> dict[str, str]:
    with (RESOURCES / "safety" / "guard" / "instead.toml").open("rb") as file:
        words: dict[str, str] = tomllib.load(file)["words"]
    return words


@cache
def _read() -> dict[str, dict[str, list[str]]]:
    with (RESOURCES / "safety" / "guard" / "instead.toml").open("rb") as file:
        data = tomllib.load(file)
    del data["words"]
    return data
