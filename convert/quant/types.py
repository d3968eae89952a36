"""The tensor types of GGML that we write; never a tensor's name."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, prod

import numpy as np

from convert.tensors import Bytes, Shape


@dataclass(frozen=True)
class TensorType:
    """A type: its number in ggml.h and the bytes that a block of `block` values takes.

    `halves` says where in a block its 16-bit floats lie (the scales of the quantized types), `exponent` which of
    their bits are all set in one that is no finite number. From `limit` on no value can be told from another: the
    encoders weigh by fourth powers, which overflow in float32, and the scales of any block would be infinite.
    """

    name: str
    number: int
    block: int
    block_bytes: int
    halves: tuple[int, ...] = ()
    exponent: int = 0x7C00
    limit: float = 1e9

    def fits(self, columns: int) -> bool:
        """Whether a row of `columns` values is a whole number of blocks."""
        return columns % self.block == 0

    def size(self, shape: Shape) -> int:
        """Return the bytes that a tensor of this shape takes; its rows must fit."""
        return prod(shape) // self.block * self.block_bytes

    def is_sound(self, encoded: Bytes) -> bool:
        """Whether every 16-bit float in whole blocks of this type is finite, as llama.cpp checks it too."""
        halves = encoded.view("<u2").reshape(-1, self.block_bytes // 2) if self.halves else encoded
        return not any(bool(np.any(halves[:, at // 2] & self.exponent == self.exponent)) for at in self.halves)


# Numbers and block layouts: ggml.h (enum ggml_type) and ggml-common.h (struct block_*).
TYPES: Mapping[str, TensorType] = {
    row.name: row
    for row in (
        TensorType("F32", 0, 1, 4, limit=inf),
        TensorType("F16", 1, 1, 2, halves=(0,), limit=inf),
        TensorType("BF16", 30, 1, 2, halves=(0,), exponent=0x7F80, limit=inf),
        TensorType("Q8_0", 8, 32, 34, halves=(0,)),
        TensorType("Q4_0", 2, 32, 18, halves=(0,)),
        TensorType("Q4_1", 3, 32, 20, halves=(0, 2)),
        TensorType("Q5_0", 6, 32, 22, halves=(0,)),
        TensorType("Q5_1", 7, 32, 24, halves=(0, 2)),
        TensorType("Q2_K", 10, 256, 84, halves=(80, 82)),
        TensorType("Q3_K", 11, 256, 110, halves=(108,)),
        TensorType("Q4_K", 12, 256, 144, halves=(0, 2)),
        TensorType("Q5_K", 13, 256, 176, halves=(0, 2)),
        TensorType("Q6_K", 14, 256, 210, halves=(208,)),
        TensorType("IQ4_NL", 20, 32, 18, halves=(0,)),
        TensorType("IQ4_XS", 23, 256, 136, halves=(0,)),
    )
}
