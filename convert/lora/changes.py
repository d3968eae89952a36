"""What an adapter does to one weight, and the arithmetic of it by blocks of rows; never a file's layout.

Everything is float32 and BLAS; no product is held for more rows than were asked for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np

from convert.tensors import Array, TensorSource

PASS_VALUES = 1 << 22  # of a weight that has to be seen in full before its first row is known

# A block of rows of a weight, and the number of its first row -> the block changed, and how far it moved (squared).
Step = Callable[[Array, int], tuple[Array, float]]


@dataclass(frozen=True)
class Factor:
    """One factor as it is stored, to be transposed or not."""

    key: str
    transposed: bool

    def read(self, source: TensorSource) -> Array:
        """Return its values the way they are multiplied."""
        values = source.read(self.key)
        return np.ascontiguousarray(values.T) if self.transposed else values


@dataclass(frozen=True)
class Product:
    """Adds scale * left @ right; with a magnitude (DoRA) the sum is then scaled to it, row by row or column by column.

    DoRA (Liu et al. 2024, arXiv:2402.09353): each output gets the length in `magnitude`. Outputs are the rows of a
    linear layer's weight, but the columns of an embedding, or of a weight stored inputs first (`by_column`).
    """

    left: Factor
    right: Factor
    scale: float
    magnitude: str | None = None
    by_column: bool = False


@dataclass(frozen=True)
class Rows:
    """Puts the rows of the tensor `key` in the place of the rows with these numbers."""

    key: str
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Shift:
    """Adds scale times the tensor `key` to a bias."""

    key: str
    scale: float


@dataclass(frozen=True)
class Change:
    """All that one adapter does to one weight, in this order. `trained` says whether `whole` was trained as such."""

    whole: str | None = None
    trained: bool = False
    product: Product | None = None
    rows: Rows | None = None
    shift: Shift | None = None


class Merger:
    """Merges adapters into one weight, block by block, in any order and from any thread."""

    def __init__(self, steps: Sequence[tuple[str, Step]]) -> None:
        self._steps = steps
        self._squares = dict.fromkeys((label for label, _ in steps), 0.0)
        self._lock = Lock()

    def __call__(self, block: Array, first: int = 0) -> Array:
        """Return `block`, the rows of the weight from `first` on, with the adapters merged in; it is not changed."""
        moved = []
        # A sum beyond float32 becomes infinite, which the encoder refuses by name; numpy need not warn too.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for label, step in self._steps:
                block, square = step(block, first)
                moved.append((label, square))
        with self._lock:
            for label, square in moved:
                self._squares[label] += square
        return block

    @property
    def norms(self) -> dict[str, float]:
        """How far each adapter, by its label, moved the rows merged so far (Frobenius norm)."""
        return {label: float(np.sqrt(square)) for label, square in self._squares.items()}


def step_of(part: Product | Rows | Shift, source: TensorSource, weight: TensorSource, name: str) -> Step:
    """Return the step that `part` of an adapter stands for; `weight` and `name` are what it changes."""
    if isinstance(part, Rows):
        return _replacing(part, source)
    if isinstance(part, Shift):
        return _adding(source.read(part.key) * np.float32(part.scale), None)
    left, right = part.left.read(source) * np.float32(part.scale), part.right.read(source)
    if part.magnitude is None:
        return _adding(left, right)
    magnitude = source.read(part.magnitude).reshape(-1)
    if part.by_column:
        return _scaling(left, right, magnitude / _column_lengths(left, right, weight, name))
    return _stretching(left, right, magnitude)


def step_of_whole(old: TensorSource, name: str) -> Step:
    """Return a step that changes nothing and measures how far the new weight is from `name` in `old`."""
    shared = old.tensors[name].shape[0] if name in old.tensors else 0

    def measure(block: Array, first: int) -> tuple[Array, float]:
        count = min(len(block), max(0, shared - first))
        square = _square(block[count:])
        if count:
            square += _square(block[:count] - old.read_rows(name, first, count))
        return block, square

    return measure


def _adding(left: Array, right: Array | None) -> Step:
    def add(block: Array, first: int) -> tuple[Array, float]:
        rows = left[first : first + len(block)]
        delta: Array = rows.copy() if right is None else rows @ right
        square = _square(delta)
        delta += block
        return delta, square

    return add


def _stretching(left: Array, right: Array, magnitude: Array) -> Step:
    def stretch(block: Array, first: int) -> tuple[Array, float]:
        merged: Array = left[first : first + len(block)] @ right
        merged += block
        lengths = np.sqrt(np.einsum("rc,rc->r", merged, merged, dtype=np.float64)).astype(np.float32)
        merged *= (magnitude[first : first + len(block)] / lengths)[:, None]
        return merged, _square(merged - block)

    return stretch


def _scaling(left: Array, right: Array, factor: Array) -> Step:
    def scale(block: Array, first: int) -> tuple[Array, float]:
        merged: Array = left[first : first + len(block)] @ right
        merged += block
        merged *= factor
        return merged, _square(merged - block)

    return scale


def _replacing(part: Rows, source: TensorSource) -> Step:
    values, numbers = source.read(part.key), np.array(part.numbers)

    def replace(block: Array, first: int) -> tuple[Array, float]:
        here = (numbers >= first) & (numbers < first + len(block))
        merged, places = block.copy(), numbers[here] - first
        merged[places] = values[here]
        return merged, _square(merged[places] - block[places])

    return replace


def _column_lengths(left: Array, right: Array, weight: TensorSource, name: str) -> Array:
    """Return the length of each column of weight + left @ right, in one pass over the weight."""
    rows, columns = weight.tensors[name].shape
    step = max(1, PASS_VALUES // columns)
    squares = np.zeros(columns, np.float64)
    for first in range(0, rows, step):
        count = min(step, rows - first)
        merged = left[first : first + count] @ right + weight.read_rows(name, first, count)
        squares += np.einsum("rc,rc->c", merged, merged, dtype=np.float64)
    return np.sqrt(squares).astype(np.float32)


def _square(values: Array) -> float:
    flat = values.reshape(-1)
    return float(np.dot(flat, flat))
