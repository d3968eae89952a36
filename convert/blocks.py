"""Cuts a conversion into blocks of rows, small enough that a few of them in memory are enough; never reads one.

The cuts depend on shapes alone, so that neither threads nor a resumed run change a byte.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convert.arch.model import Row
from convert.checkpoint import Stored
from convert.quant.types import TensorType
from convert.tensors import Array

BLOCK_VALUES = 1 << 20  # 4 MB in float32: some 30 ms of encoding, so that calls cost nothing and a stop is quick


@dataclass(frozen=True)
class Step:
    """One tensor from checkpoint to file: where its rows lie (None for one that is generated), its columns' weights."""

    row: Row
    type: TensorType
    stored: Stored | None
    importance: Array | None = None

    @property
    def columns(self) -> int:
        """How many values one row has; a tensor with one axis is one row."""
        shape = self.row.shape
        return prod(shape[1:]) if len(shape) > 1 else prod(shape)


@dataclass(frozen=True)
class Block:
    """Bytes that are read at once: `count` rows of a step from row `first`, or what nothing but the hash wants.

    `file` is None for a tensor that is generated. `order` is where in the block each of its rows in GGUF layout
    comes from; a block that holds the whole tensor leaves that to the row's own reshape. `hashed` says that the
    bytes belong to the hash of their file.
    """

    file: Path | None
    offset: int
    size: int
    hashed: bool
    step: Step | None = None
    first: int = 0
    count: int = 0
    order: NDArray[np.intp] | None = None


def cut(steps: Sequence[Step], hashed: dict[Path, int]) -> Iterator[Block]:
    """Return the blocks of `steps` in the order in which their files hold them.

    `hashed` gives the files whose hash is wanted, with their sizes: every byte of them is in a block once.
    """
    position = dict.fromkeys(hashed, 0)
    placed = [(step.stored, step) for step in steps if step.stored]
    for step in steps:
        if step.stored is None:
            yield Block(None, 0, 0, hashed=False, step=step, count=prod(step.row.shape) // step.columns)
    for stored, step in sorted(placed, key=lambda entry: (entry[0].file, entry[0].offset)):
        reached = position.get(stored.file)
        if reached is not None and reached < stored.offset:
            yield from _filler(stored.file, reached, stored.offset)
        fresh = reached is not None and reached <= stored.offset
        yield from _rows(step, stored, fresh)
        if fresh:
            position[stored.file] = stored.offset + stored.size
    for file, size in hashed.items():
        yield from _filler(file, position[file], size)


def _filler(file: Path, begin: int, end: int) -> Iterator[Block]:
    for offset in range(begin, end, 2 * BLOCK_VALUES):
        yield Block(file, offset, min(2 * BLOCK_VALUES, end - offset), hashed=True)


def _rows(step: Step, stored: Stored, hashed: bool) -> Iterator[Block]:
    columns = step.columns
    total = prod(step.row.shape) // columns
    row_bytes = stored.size // total
    order = _order(step.row, total) if total * columns > BLOCK_VALUES else None
    cuts = _cuts(order, total) if step.row.reshape else np.arange(1, total + 1)
    first = 0
    while first < total:
        wanted = first + max(1, BLOCK_VALUES // columns)
        # The last cut that keeps to the size, or else the next one.
        index = max(int(np.searchsorted(cuts, wanted, "right")) - 1, int(np.searchsorted(cuts, first, "right")))
        end = int(cuts[index])
        block = Block(stored.file, stored.offset + first * row_bytes, (end - first) * row_bytes, hashed)
        inside = order[first:end] - first if order is not None and end - first < total else None
        yield replace(block, step=step, first=first, count=end - first, order=inside)
        first = end


def _order(row: Row, total: int) -> NDArray[np.intp] | None:
    """Return where each row in GGUF layout comes from, found by sending the rows' numbers through `reshape`."""
    if row.reshape is None or total >= 1 << 24:
        return None
    numbers: Array = np.arange(total, dtype=np.float32).reshape(total, 1)
    return row.reshape(numbers).reshape(total).astype(np.intp)


def _cuts(order: NDArray[np.intp] | None, total: int) -> NDArray[np.intp]:
    """Return after which rows a tensor may be cut: where all rows before come from before.

    A reshape that does more than to move rows leaves only the end.
    """
    if order is None or not np.array_equal(np.sort(order), np.arange(total)):
        return np.array([total])
    ends = np.arange(1, total + 1)
    return ends[np.maximum.accumulate(order) < ends]
