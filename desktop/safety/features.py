"""Text as hashed features: words, pairs of words and short runs of characters. Never keeps a word it has read.

All arithmetic is on whole arrays, so that 100,000 characters cost milliseconds. The hash is a polynomial modulo 2^64;
it is part of every file of weights that was trained on it, so it must never change without training anew.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BITS = 17
BUCKETS = 1 << BITS
_BASE = np.uint64(0x9E3779B97F4A7C15 | 1)
_UNBASE = np.uint64(pow(int(_BASE), -1, 1 << 64))
_MIX = np.uint64(0xD6E8FEB86659FD93)
_RUNS = (2, 3, 4, 5, 6)

Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Features:
    """Which buckets are filled, each once and rising, and how much; the values have length 1 unless empty."""

    buckets: NDArray[np.int32]
    values: NDArray[np.float32]


@dataclass(frozen=True)
class Grams:
    """The hashes of a text's words, in order, and of its runs of characters."""

    words: Hashes
    runs: Hashes


def grams(text: str) -> Grams:
    """The hashes of a text whose words are parted by single spaces; anything else is read as it stands."""
    padded = f" {text.strip()} "
    codes = np.frombuffer(padded.encode("utf-32-le", "replace"), np.uint32).astype(np.uint64) + np.uint64(1)
    count = len(codes)
    with np.errstate(over="ignore"):
        powers = np.cumprod(np.full(count, _BASE, np.uint64), dtype=np.uint64)
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(codes * powers, dtype=np.uint64)])
        unpowers = np.cumprod(np.full(count, _UNBASE, np.uint64), dtype=np.uint64)
        spaces = np.flatnonzero(codes == np.uint64(ord(" ") + 1))
        starts, ends = spaces[:-1] + 1, spaces[1:]
        whole = ends > starts
        starts, ends = starts[whole], ends[whole]
        words = _mixed((sums[ends] - sums[starts]) * unpowers[starts], 1)
        runs = [
            _mixed((sums[length:] - sums[:-length]) * unpowers[: count - length + 1], length)
            for length in _RUNS
            if count >= length
        ]
    return Grams(words, np.concatenate(runs) if runs else np.zeros(0, np.uint64))


def pairs(left: Hashes, right: Hashes, kind: int) -> Hashes:
    """One hash for each pair of two equally long arrays, in which order matters."""
    with np.errstate(over="ignore"):
        return _mixed(left * _BASE + right, kind)


def salted(hashes: Hashes, kind: int) -> Hashes:
    """The same things seen in another place, such as an earlier turn."""
    return _mixed(hashes, kind)


def named(name: str, kind: int) -> Hashes:
    """One hash for a thing found by a rule."""
    return salted(grams(name).words[:1], kind)


def features(*groups: tuple[Hashes, float]) -> Features:
    """Groups of hashes with a weight each, counted by bucket (dampened), each group and then the whole at length 1."""
    found: list[NDArray[np.int32]] = []
    values: list[NDArray[np.float32]] = []
    for hashes, weight in groups:
        if len(hashes) == 0 or weight == 0:
            continue
        buckets, counts = np.unique((hashes >> np.uint64(64 - BITS)).astype(np.int32), return_counts=True)
        damped = (1 + np.log(counts)).astype(np.float32)
        found.append(buckets)
        values.append(damped * np.float32(weight / np.sqrt(np.sum(damped * damped))))
    if not found:
        return Features(np.zeros(0, np.int32), np.zeros(0, np.float32))
    buckets, where = np.unique(np.concatenate(found), return_inverse=True)
    summed = np.bincount(where.ravel(), np.concatenate(values), len(buckets)).astype(np.float32)
    return Features(buckets, summed / np.float32(np.sqrt(np.sum(summed * summed)) or 1))


def _mixed(hashes: Hashes, kind: int) -> Hashes:
    with np.errstate(over="ignore"):
        mixed = (hashes ^ np.uint64(kind * 0x2545F491)) * _MIX
        return (mixed ^ (mixed >> np.uint64(32))) * _BASE
