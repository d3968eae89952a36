"""Turns as the linear model sees them: the last, those before it, and what the rules found. Never scores."""

from collections.abc import Iterator, Sequence

import numpy as np

from desktop.records import Message, Role
from desktop.safety import rules
from desktop.safety.features import Features, Grams, features, grams, named, pairs, salted
from desktop.safety.rules import Rule
from desktop.safety.spelling import plain
from desktop.safety.verdict import Said

# Long texts are read in pieces that overlap, so that one sentence of danger is not drowned.
PIECE = 1000
STEP = 800
# What stands before is read from its end; and how short an answer is read together with its question.
BEFORE = 400
SHORT = 8
_RULE, _ASKED, _EARLIER, _TOGETHER, _PAIR, _LENGTH = 11, 12, 13, 14, 15, 16


def read(turns: Sequence[Said]) -> tuple[list[Features], tuple[Rule, ...]]:
    """The features of each piece of the last turn, and the rules that found something in it."""
    if not turns:
        return [], ()
    text = rules.without_figures(plain(_text(turns[-1])))
    hits = rules.found(text)
    asked, earlier = _before(turns[:-1])
    return [_features(grams(piece), asked, earlier, hits) for piece in _pieces(text)], hits


def _text(said: Said) -> str:
    return said.text if isinstance(said, Message) else said[1]


def _role(said: Said) -> str:
    return said.role if isinstance(said, Message) else said[0]


def _before(turns: Sequence[Said]) -> tuple[Grams, Grams]:
    asked = next((_text(said) for said in reversed(turns[-2:]) if _role(said) != Role.USER), "")
    own = [_text(said)[-BEFORE:] for said in turns[-6:] if _role(said) == Role.USER]
    return grams(plain(asked[-BEFORE:])), grams(plain(" . ".join(own)))


def _pieces(text: str) -> Iterator[str]:
    if len(text) <= PIECE + STEP:
        if text:
            yield text
        return
    for start in range(0, len(text), STEP):
        begin = text.rfind(" ", max(0, start - 40), start + 1) + 1 if start else 0
        yield text[max(begin, start - 40) : start + PIECE]


def _features(own: Grams, asked: Grams, earlier: Grams, hits: tuple[Rule, ...]) -> Features:
    none = np.zeros(0, np.uint64)
    together = none
    if len(own.words) <= SHORT and len(asked.words):
        left = np.repeat(own.words, len(asked.words))
        together = pairs(left, np.tile(asked.words, len(own.words)), _TOGETHER)
    found = np.concatenate([none, *(named(rule.id, _RULE) for rule in hits)])
    length = named(str(len(own.words).bit_length()), _LENGTH)
    return features(
        (own.words, 1.0),
        (pairs(own.words[:-1], own.words[1:], _PAIR), 0.9),
        (pairs(own.words[:-2], own.words[2:], _PAIR + 10), 0.5),
        (own.runs, 1.0),
        (salted(asked.words, _ASKED), 0.8),
        (salted(earlier.words, _EARLIER), 0.8),
        (salted(earlier.runs, _EARLIER), 0.5),
        (together, 1.2),
        (found, 1.0),
        (length, 0.4),
    )
