"""The tensor types of GGML that we write; never a tensor's name."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from convert.tensors import Shape


@dataclass(frozen=True)
class TensorType:
    """A type: its number in ggml.h, the bytes that a block of `block` values takes, and what is too large."""

    name: str
    number: int
    block: int
    block_bytes: int
    limit: float

    def fits(self, columns: int) -> bool:
        """Whether a row of `columns` values is a whole number of blocks."""
        return columns % self.block == 0

    def size(self, shape: Shape) -> int:
        """Return the bytes that a tensor of this shape takes; its rows must fit."""
        return prod(shape) // self.block * self.block_bytes


# 65520 is the first number that float16 rounds to infinity; a quantized block keeps its scale, the largest
# value divided by 8 (Q4_0), 127 (Q8_0) or 32 x 128 (Q6_K), as a float16.
# Numbers and block layouts: ggml.h (enum ggml_type) and ggml-common.h (struct block_*).
TYPES: Mapping[str, TensorType] = {
    row.name: row
    for row in (
        TensorType("F32", 0, 1, 4, float("inf")),
        TensorType("F16", 1, 1, 2, 65520.0),
        TensorType("Q4_0", 2, 32, 18, 65520.0 * 8),
        TensorType("Q8_0", 8, 32, 34, 65520.0 * 127),
        TensorType("Q6_K", 14, 256, 210, 65520.0 * 4096),
    )
}
