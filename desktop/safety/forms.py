"""Forms of sentences that break a rule of the guard (resources/safety/guard/forms.toml). Never replaces one."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache

from desktop.paths import RESOURCES
from desktop.safety.kinds import kind_of, words_of


@dataclass(frozen=True)
class _Form:
    firm: tuple[re.Pattern[str], ...]
    says: tuple[re.Pattern[str], ...]
    kinds: tuple[re.Pattern[str], ...]
    unless: tuple[re.Pattern[str], ...]


def broken_form(sentence: str) -> str | None:
    """The rule whose forms fit the sentence, None if none does."""
    words = words_of(sentence)
    text, kinds = " ".join(words), " ".join(kind_of(word) for word in words)
    for name, form in _forms().items():
        fits = _any(form.says, text) or _any(form.kinds, kinds)
        if fits and not _any(form.unless, text) and not _any(form.unless, kinds):
            return name
    return None


def broken_firmly(sentence: str) -> str | None:
    """The rule that a sentence breaks by a form which nothing makes harmless, None if none does."""
    text = " ".join(words_of(sentence))
    return next((name for name, form in _forms().items() if _any(form.firm, text)), None)


def is_retold(sentence: str) -> bool:
    """Whether it gives back what the person or somebody else said, and does not agree."""
    text = " ".join(words_of(sentence))
    retold, agrees = _telling()
    return _any(retold, text) and not _any(agrees, text)


def _any(patterns: tuple[re.Pattern[str], ...], text: str) -> bool:
    return any(pattern.search(text) for pattern in patterns)


@cache
def _forms() -> dict[str, _Form]:
    return {
        name: _Form(*(_compiled(form.get(part, [])) for part in ("firm", "says", "kinds", "unless")))
        for name, form in _read().items()
        if isinstance(form, dict)
    }


@cache
def _telling() -> tuple[tuple[re.Pattern[str], ...], tuple[re.Pattern[str], ...]]:
    data = _read()
    return _compiled(data["retold"]), _compiled(data["agrees"])


@cache
def _read() -> dict[str, "dict[str, list[str]] | list[str]"]:
    with (RESOURCES / "safety" / "guard" / "forms.toml").open("rb") as file:
        return tomllib.load(file)


def _compiled(patterns: "dict[str, list[str]] | list[str]") -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern) for pattern in patterns)
