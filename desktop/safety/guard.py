"""Reads a model's answer sentence by sentence as it streams, and holds back what may not be said. Never unsays a word.

Rules are data (resources/safety/guard/): patterns, what makes them harmless, and what is said in their place. A
sentence is shown only when it is whole and was read, so that nothing is painted and then removed.
"""

import re
import tomllib
from dataclasses import dataclass
from functools import cache

from desktop.paths import RESOURCES

# Where a sentence may end: its mark with what closes quotes and brackets, followed by white space, or a line's end.
_END = re.compile(r"[.!?…]+[\"'”’)\]*]*\s+|\n+")
# What has no end by then is read as it is, up to its last space.
LONGEST = 240
_QUESTION = re.compile(r"[^.!?\n]*\?")
_SIGNS = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "é": "e", "è": "e", "ê": "e", "ö": "o", "ä": "a",
                        "ü": "u", "ó": "o", "í": "i", "á": "a", "ñ": "n", "ç": "c"})  # fmt: skip
REPEATED = "repeated"


@dataclass(frozen=True)
class Held:
    """One sentence that was not shown, and the rule it broke."""

    sentence: str
    rule: str


class Guard:
    """Stands between one answer and the screen. Give it pieces, show what it gives."""

    def __init__(self) -> None:
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
        rule = broken_rule(sentence) or self._repeats(sentence)
        if rule is None:
            return sentence
        is_first = all(held.rule != rule for held in self.held)
        self.held.append(Held(sentence.strip(), rule))
        if not is_first or rule == REPEATED:
            return ""
        instead = _rules()[rule].instead
        space = sentence[len(sentence.rstrip()) :]
        return instead[len(self.held) % len(instead)] + space

    def _repeats(self, sentence: str) -> str | None:
        """Whether the sentence asks again what was asked in this answer."""
        for question in _QUESTION.findall(sentence):
            words = " ".join(re.findall(r"\w+", question.casefold()))
            if words in self._asked:
                return REPEATED
            self._asked.add(words)
        return None


def broken_rule(sentence: str) -> str | None:
    """The rule that a sentence breaks, None for one that may be said."""
    text = " ".join(sentence.casefold().translate(_SIGNS).replace("*", "").split())
    for name, rule in _rules().items():
        if any(pattern.search(text) for pattern in rule.says) and not any(one.search(text) for one in rule.unless):
            return name
    return None


@dataclass(frozen=True)
class _Rule:
    says: tuple[re.Pattern[str], ...]
    unless: tuple[re.Pattern[str], ...]
    instead: tuple[str, ...]


@cache
def _rules() -> dict[str, _Rule]:
    with (RESOURCES / "safety" / "guard" / "en.toml").open("rb") as file:
        data = tomllib.load(file)
    lists: dict[str, str] = data.pop("lists")

    def compiled(patterns: list[str]) -> tuple[re.Pattern[str], ...]:
        for name, words in lists.items():
            patterns = [pattern.replace(f"{{{name}}}", words) for pattern in patterns]
        return tuple(re.compile(pattern) for pattern in patterns)

    return {
        name: _Rule(compiled(rule["says"]), compiled(rule["unless"]), tuple(rule["instead"]))
        for name, rule in data.items()
    }
