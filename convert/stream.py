"""Sends blocks through read, merge, reshape, encode and write on all threads at once; never knows what they mean.

Every thread takes the next block and does all of it, so that reading, encoding and writing overlap without a queue
between them. The calls that take time (read, encode, hash, write) let go of the interpreter's lock.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from threading import Condition

from convert.blocks import Block

AHEAD = 4  # how many blocks per thread the fastest may be ahead of the slowest: what is in memory is bounded


class Blocks:
    """Hands out blocks in order to several threads, and holds back those that run too far ahead."""

    def __init__(self, blocks: Iterator[Block], ahead: int) -> None:
        self._blocks = blocks
        self._ahead = ahead
        self._taken = 0
        self._running: set[int] = set()
        self._stopped = False
        self._changed = Condition()

    def take(self) -> tuple[int, Block] | None:
        """Return the next block with its number, or None when there is none or all is to stop."""
        with self._changed:
            while self._running and self._taken - min(self._running) >= self._ahead and not self._stopped:
                self._changed.wait()
            block = None if self._stopped else next(self._blocks, None)
            if block is None:
                return None
            self._taken += 1
            self._running.add(self._taken)
            return self._taken, block

    def done(self, number: int) -> None:
        """Note that a block that was taken is through."""
        with self._changed:
            self._running.remove(number)
            self._changed.notify_all()

    def stop(self) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()


def stream(
    blocks: Iterator[Block], work: Callable[[Block], str | None], threads: int, finished: Callable[[str], None]
) -> None:
    """Call `work` with every block on `threads` threads, and `finished` on this one with the names it returns.

    The first exception of any thread stops all and is raised here, as is one (such as Ctrl-C) of this thread.
    """
    source = Blocks(blocks, threads * AHEAD)
    names: SimpleQueue[str | None] = SimpleQueue()

    def run() -> None:
        try:
            while taken := source.take():
                number, block = taken
                if name := work(block):
                    names.put(name)
                source.done(number)
        finally:
            # Also when all went well: the others find nothing left either.
            source.stop()
            names.put(None)

    with ThreadPoolExecutor(threads) as pool:
        try:
            ends = [pool.submit(run) for _ in range(threads)]
            for _ in ends:
                while name := names.get():
                    finished(name)
        finally:
            source.stop()
    for end in ends:
        end.result()
