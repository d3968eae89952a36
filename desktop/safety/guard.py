"""Reads a model's answer sentence by sentence as it streams, and holds back what may not be said. Never unsays a word.

Three stages judge a sentence: patterns (patterns.toml), forms of sentences over words and kinds of words (forms.toml),
and a linear model for what neither knows (guard.npz, made by `make guard-train`). A sentence is shown only when it is
whole and was read, so that nothing is painted and then removed.
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from desktop.paths import RESOURCES
from desktop.safety.forms import broken_firmly, broken_form, is_retold
from desktop.safety.instead import instead_of
from desktop.safety.spelling import is_disguised, plain

if TYPE_CHECKING:
    from desktop.safety.linear import Linear

# Where a sentence may end: its mark with what closes quotes and brackets, followed by white space, or a line's end.
_END = re.compile(r"[.!?…]+[\"'”’)\]*]*\s+|\n+")
# What has no end by then is read as it is, up to its last space.
LONGEST = 240
_QUESTION = re.compile(r"[^.!?\n]*\?")
_SIGNS = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "é": "e", "è": "e", "ê": "e", "ö": "o", "ä": "a",
                        "ü": "u", "ó": "o", "í": "i", "á": "a", "ñ": "n", "ç": "c"})  # fmt: skip
REPEATED = "repeated"
LEADING = "leading"
# How much surer the model must be of a sentence that gives back what somebody said.
RETOLD = 1.0


@dataclass(frozen=True)
class Held:
    """One sentence that was not shown, and the rule it broke."""

    sentence: str
    rule: str


class Guard:
    """Stands between one answer and the screen. Give it pieces, show what it gives."""

    def __init__(self, said: Sequence[str] = ()) -> None:
        """`said` is what was answered before, so that no written sentence comes twice in a row."""
        self._said = list(said)
        self._read = ""
        self._cut = ""
        self.held: list[Held] = []
        self._text = ""
        self._asked: set[str] = set()

    def feed(self, piece: str) -> str:
        """What of the answer may be shown now; the sentence under way waits for its end."""
        self._text += piece
        shown = []
        while sentence := self._take():
            shown.append(self._judge(sentence))
        return "".join(shown)

    def end(self) -> str:
        """What is left when the answer has ended or was stopped."""
        rest, self._text = self._text, ""
        return self._judge(rest) if rest else ""

    def _take(self) -> str:
        """The next whole sentence with the white space behind it, or ""."""
        found = _END.search(self._text, 0, LONGEST)
        length = found.end() if found else 0
        if not found and len(self._text) >= LONGEST:
            length = self._text.rfind(" ", 0, LONGEST) + 1 or LONGEST
        # White space may go on in the next piece; then it is shown with the next sentence.
        sentence, self._text = self._text[:length], self._text[length:]
        return sentence

    def _judge(self, sentence: str) -> str:
        self._read = (self._read + sentence)[-4 * LONGEST :]
        # What was cut before its end is read once more together with what follows.
        together = self._cut + sentence
        self._cut = "" if _END.search(sentence) else sentence[-LONGEST // 2 :]
        rule = broken_rule(together) or self._repeats(sentence)
        if rule is None:
            return sentence
        is_first = all(held.rule != rule for held in self.held)
        self.held.append(Held(sentence.strip(), rule))
        if not is_first or rule == REPEATED:
            return ""
        instead = instead_of(rule, self._read, self._said)
        self._said.append(instead)
        return instead + sentence[len(sentence.rstrip()) :]

    def _repeats(self, sentence: str) -> str | None:
        """Whether the sentence asks again what was asked in this answer."""
        for question in _QUESTION.findall(sentence):
            words = " ".join(re.findall(r"\w+", question.casefold()))
            if words in self._asked:
                return REPEATED
            self._asked.add(words)
        return None


def broken_rule(sentence: str) -> str | None:
    """The rule that a sentence breaks, None for one that may be said: by patterns, by forms, or by the linear model."""
    if not any(letter.isalpha() for letter in sentence):
        return None
    if firmly := broken_firmly(sentence):
        return firmly
    retold = is_retold(sentence)
    found = broken_pattern(sentence) or broken_form(sentence)
    if not found and is_disguised(sentence):
        found = broken_firmly(plain(sentence)) or broken_form(plain(sentence))
    if found and (not retold or found == LEADING):
        return found
    # numpy takes its time to load: not before the first answer comes.
    from desktop.safety.sentence import read

    scores = _model().scores(read(sentence))
    if scores[0] <= _model().thresholds[0] + (RETOLD if retold else 0):
        return None
    return rule_names()[int(scores[1:].argmax())]


def broken_pattern(sentence: str) -> str | None:
    """The rule whose patterns fit the sentence, None if none does."""
    text = " ".join(sentence.casefold().translate(_SIGNS).replace("*", "").split())
    for name, rule in _rules().items():
        if any(pattern.search(text) for pattern in rule.says) and not any(one.search(text) for one in rule.unless):
            return name
    return None


def rule_names() -> tuple[str, ...]:
    """Every rule with patterns, in the order of the model's outputs."""
    return tuple(_rules())


@cache
def _model() -> "Linear":
    from desktop.safety.linear import load

    return load(RESOURCES / "safety" / "guard.npz")


@dataclass(frozen=True)
class _Rule:
    says: tuple[re.Pattern[str], ...]
    unless: tuple[re.Pattern[str], ...]


@cache
def _rules() -> dict[str, _Rule]:
    with (RESOURCES / "safety" / "guard" / "patterns.toml").open("rb") as file:
        data = tomllib.load(file)
    lists: dict[str, str] = data.pop("lists")

    def compiled(patterns: list[str]) -> tuple[re.Pattern[str], ...]:
        for name, words in lists.items():
            patterns = [pattern.replace(f"{{{name}}}", words) for pattern in patterns]
        return tuple(re.compile(pattern) for pattern in patterns)

    return {name: _Rule(compiled(rule["says"]), compiled(rule["unless"])) for name, rule in data.items()}
