"""Hostile answers for the guard: `python -m support.guard_fuzz LENGTH` reads each and tells how long it took."""

import sys
import time
from collections.abc import Iterator

from desktop.safety.guard import Guard

# Beginnings of what patterns look for, repeated: what a pattern with backtracking would stumble over.
SEEDS = (
    "a", "you have ", "my own ", '"', "\0\u202e", "you are so very ", "you should ", "take the ", "i have been ",
    "without you ", "he she they ", "it will never ", "you wrote that ", "if you had ", "no one knows you ", "stop ",
    "the numbers ", ". ", "?!", "\n", "ä́", "👩‍👩‍👧", "say the ",
    "call it the ", "0 points ", "* ", "you , ", "did he, ",
)  # fmt: skip


def hostile(length: int) -> Iterator[str]:
    """One answer of `length` characters for each seed."""
    for seed in SEEDS:
        yield (seed * (length // len(seed) + 1))[:length]


def read(answer: str, size: int = 4096) -> Guard:
    """The guard after it has read an answer in pieces of `size` characters."""
    guard = Guard()
    for start in range(0, len(answer), size):
        guard.feed(answer[start : start + size])
    guard.end()
    return guard


if __name__ == "__main__":
    for number, answer in enumerate(hostile(int(sys.argv[1]))):
        began = time.perf_counter()
        read(answer)
        sys.stdout.write(f"{SEEDS[number]!r}: {time.perf_counter() - began:.2f} s\n")
