"""A sentence of an answer as the guard's linear model sees it. Never scores, never keeps a word it has read.

Beside the words as they are it reads them with names of kinds in place of the words that belong to one: what was
learnt of one medicine holds for all.
"""

import numpy as np

from desktop.safety.features import Features, Hashes, features, grams, pairs, salted
from desktop.safety.kinds import SIGNS, kind_of, words_of

_KIND, _PAIR, _OPENING, _MEETING = 21, 22, 23, 24


def read(sentence: str) -> Features:
    """The features of a sentence."""
    words = words_of(sentence)
    named = [kind_of(word) for word in words]
    # Which kinds meet in the sentence, wherever they stand: a condition and a "you wrote", a dose and a "never".
    met = sorted({word for word in named if word.isupper() or word == "?"})
    meeting = [f"{first}{second}" for at, first in enumerate(met) for second in met[at:]]
    own = grams(" ".join(words))
    kinds = grams(" ".join(named)).words
    opening = grams(" ".join([word for word in named if word not in SIGNS][:3])).words
    return features(
        (own.words, 1.0),
        (_next(own.words, 1, _PAIR), 0.8),
        (own.runs, 0.8),
        (salted(kinds, _KIND), 1.0),
        (_next(kinds, 1, _KIND), 1.0),
        (_next(kinds, 2, _KIND + 10), 0.7),
        (_next(_next(kinds, 1, _KIND), 1, _KIND + 20), 0.7),
        (salted(grams(" ".join(meeting)).words, _MEETING), 1.0),
        (np.concatenate([salted(opening, _OPENING), _next(opening, 1, _OPENING)]), 0.7),
    )


def _next(hashes: Hashes, far: int, kind: int) -> Hashes:
    return pairs(hashes[:-far], hashes[far:], kind)
