"""What the parts tell each other about tensors and metadata values; never how either is stored in a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Shape = tuple[int, ...]

# A GGUF metadata value: int is written as UINT32, float as FLOAT32, np.int32 as INT32.
Value = bool | int | float | str | np.int32 | list[str] | NDArray[np.int32] | Array
Metadata = dict[str, Value]

FLOAT_DTYPES = frozenset({"F32", "F16", "BF16"})


@dataclass(frozen=True)
class TensorInfo:
    """A stored tensor: its name, its dtype in safetensors spelling, its shape with rows first."""

    name: str
    dtype: str
    shape: Shape

    @property
    def values(self) -> int:
        """How many values it has."""
        return prod(self.shape)


class TensorSource(Protocol):
    """Something that lists tensors first and reads one at a time."""

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:
        """All tensors by name."""
        ...

    def read(self, name: str) -> Array:
        """The values of one tensor as float32, in its own shape."""
        ...

    def read_rows(self, name: str, first: int, count: int) -> Array:
        """The rows `first` to `first + count` of one tensor as float32; of one dimension, its values."""
        ...


def to_float32(raw: Bytes, info: TensorInfo) -> Array:
    """Return the little-endian bytes `raw` of a tensor whose dtype is one of FLOAT_DTYPES as float32.

    A bfloat16 is the upper half of a float32, so shifting it up by 16 bits is exact.
    """
    if info.dtype == "F32":
        values = raw.view("<f4")
    elif info.dtype == "F16":
        values = raw.view("<f2").astype(np.float32)
    else:
        wide = raw.view("<u2").astype(np.uint32)
        wide <<= np.uint32(16)
        values = wide.view(np.float32)
    return values.reshape(info.shape)


def shape_text(shape: Shape) -> str:
    """Return a shape as people write it: 4096 x 11008."""
    return " x ".join(str(length) for length in shape) or "a single number"


def listing(names: list[str], most: int = 3) -> str:
    """Return up to `most` names in one phrase, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
