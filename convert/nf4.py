"""The 4-bit round trip that a QLoRA adapter's base went through; never used on an embedding or a head.

NF4 with blocks of 64 values, the blocks' scales themselves in 8 bits by blocks of 256 (Dettmers et al. 2023,
arXiv:2305.14314), computed in the order of bitsandbytes 0.50's CPU code, so that the same bits come out
(tests/data/record_nf4.py). One thing no order can promise: torch adds the scales up for their mean in an order
that depends on the processor; here the mean is exact and then rounded to float32.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from convert.tensors import Array, TensorSource

BLOCK = 64
SCALE_BLOCK = 256
SMALLEST_SCALE = np.float32(1e-38)
PASS_VALUES = 1 << 20
CACHED_VALUES = 1 << 14

LEVELS: Array = np.array(
    [
        -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
        -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
        0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
    ],
    np.float32,
)  # fmt: skip
BOUNDS: Array = (LEVELS[:-1] + LEVELS[1:]) / np.float32(2)

# A block of rows of a weight, and the number of its first row -> the block as it comes back from four bits.
RoundTrip = Callable[[Array, int], Array]


def round_trip(source: TensorSource, name: str) -> RoundTrip:
    """Return what brings rows of the weight `name` through NF4 and back, rounded to the dtype it is stored in.

    Reads the weight once for its scales, which depend on all of it; 4 bytes for each 64 values are kept.
    """
    info = source.tensors[name]
    columns = info.shape[-1]
    exact = block_scales(source, name)
    kept = through_8_bits(exact, mean(exact))

    def convert(block: Array, first: int) -> Array:
        # Blocks run on from row to row: these rows may begin and end inside one.
        begin = first * columns
        numbers = np.arange(begin, begin + block.size, dtype=np.int64) // BLOCK if columns % BLOCK else None
        flat = block.reshape(-1) if numbers is not None else block.reshape(-1, BLOCK)
        places = slice(begin // BLOCK, (begin + block.size) // BLOCK) if numbers is None else numbers
        shape = (-1, 1) if numbers is None else (-1,)
        inverse: Array = (np.float32(1) / np.maximum(exact[places], SMALLEST_SCALE)).astype(np.float32)
        scaled: Array = flat * inverse.reshape(shape)
        values = LEVELS[_codes(scaled.reshape(-1))].reshape(flat.shape)
        values *= kept[places].reshape(shape)
        return rounded(values, info.dtype).reshape(block.shape)

    return convert


def mean(scales: Array) -> np.float32:
    """Return the mean of all scales, computed in 64 bits."""
    return np.float32(scales.mean(dtype=np.float64))


def through_8_bits(scales: Array, offset: np.float32) -> Array:
    """Return the scales of a weight's blocks as they come back from 8 bits, `offset` taken off and added again."""
    codes = dynamic_map()
    result = np.empty_like(scales)
    for first in range(0, scales.size, SCALE_BLOCK):
        block = scales[first : first + SCALE_BLOCK] - offset
        largest = np.abs(block).max()
        inverse = np.float32(1) / largest if largest > 0 else np.float32(0)
        result[first : first + SCALE_BLOCK] = codes[_nearest(codes, block * inverse)] * largest
    result += offset
    return result


@cache
def dynamic_map() -> Array:
    """Return the 256 values of the signed 8-bit dynamic type (Dettmers 2016, arXiv:1511.04561), in order."""
    values: list[float] = [0.0, 1.0]
    for exponent in range(7):
        bounds = _evenly_spaced(2**exponent + 1)
        means = (bounds[:-1] + bounds[1:]) / np.float32(2)
        positive = (np.float32(10.0 ** (exponent - 6)) * means).tolist()
        values += positive + [-value for value in positive]
    return np.sort(np.array(values, np.float32))


def _evenly_spaced(count: int) -> Array:
    """Return `count` numbers from 0.1 to 1 as torch.linspace does: counted from the nearer end, rounded once."""
    start, step = np.float64(np.float32(0.1)), np.float64((np.float32(1) - np.float32(0.1)) / np.float32(count - 1))
    numbers = np.arange(count)
    spaced = np.where(numbers < count // 2, start + step * numbers, 1 - step * (count - 1 - numbers))
    return spaced.astype(np.float32)


def rounded(values: Array, dtype: str) -> Array:
    """Return float32 values rounded to nearest even in F32, F16 or BF16, as float32 again."""
    if dtype == "F16":
        return values.astype(np.float16).astype(np.float32)
    if dtype == "BF16":
        bits = values.view(np.uint32)
        upper = (bits + (np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1)))) & np.uint32(0xFFFF0000)
        return upper.view(np.float32)
    return values


def _codes(values: Array) -> NDArray[np.uint8]:
    """Return the number of the level nearest to each value: how many bounds lie below it.

    Counting by bounds over a stretch that stays in the cache is 8 times as fast as a binary search.
    """
    codes = np.zeros(values.shape, np.uint8)
    for first in range(0, values.size, CACHED_VALUES):
        stretch = values[first : first + CACHED_VALUES]
        count = codes[first : first + CACHED_VALUES]
        for bound in BOUNDS:
            count += stretch > bound
    return codes


def _nearest(codes: Array, values: Array) -> NDArray[np.intp]:
    right = np.clip(np.searchsorted(codes, values), 1, codes.size - 1)
    nearer_left = values - codes[right - 1] <= codes[right] - values
    return right - nearer_left


def block_scales(source: TensorSource, name: str) -> Array:
    """Return the largest size in each block of 64 values."""
    rows, columns = source.tensors[name].shape
    scales = np.zeros(-(-rows * columns // BLOCK), np.float32)
    step = max(1, PASS_VALUES // columns)
    for first in range(0, rows, step):
        sizes = np.abs(source.read_rows(name, first, min(step, rows - first))).reshape(-1)
        begin = first * columns
        starts = np.arange(-begin % BLOCK, sizes.size, BLOCK)
        if begin % BLOCK:
            starts = np.concatenate(([0], starts))
        largest = np.maximum.reduceat(sizes, starts)
        places = begin // BLOCK + np.arange(largest.size)
        scales[places] = np.maximum(scales[places], largest)
    return scales
