"""What an architecture tells the pipeline: metadata, and a row for each tensor; never a file or a type."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Self

from convert.errors import ConvertError
from convert.json_file import Json
from convert.tensors import Array, Metadata, Shape, TensorInfo, Value

LARGEST = 3.4e38  # metadata numbers are written in 32 bits


@dataclass(frozen=True)
class Row:
    """One tensor on its way: its name in the checkpoint, its name in GGUF, the shape it must have.

    `reshape` brings the values from checkpoint layout to GGUF layout and keeps the shape; None does nothing.
    `generate` makes the values of a tensor that no checkpoint holds, whose `source` is empty.
    """

    source: str
    name: str
    shape: Shape
    reshape: Callable[[Array], Array] | None = None
    generate: Callable[[], Array] | None = None

    @property
    def is_linear(self) -> bool:
        """Whether it is the matrix of a linear layer: in a block, not an embedding and not the head."""
        return len(self.shape) == 2 and self.name.startswith("blk.") and self.name.endswith(".weight")


@dataclass(frozen=True)
class Model:
    """A checkpoint as its architecture sees it. `ignored` are endings of names that GGUF has no use for.

    `notices` are what a person should know about the result.
    """

    name: str
    metadata: Metadata
    rows: tuple[Row, ...]
    vocab_size: int
    ignored: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    def extended(self, metadata: Mapping[str, Value]) -> Self:
        """Return the same model with more metadata."""
        return replace(self, metadata={**self.metadata, **metadata})


Describe = Callable[[Json, Mapping[str, TensorInfo]], Model]


def count(config: Json, key: str, default: int | None = None) -> int:
    """Return the whole number above zero at `key` of config.json. Raises ConvertError when it is none."""
    value = _value(config, key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**31:
        raise ConvertError(f"config.json gives {value!r} as {key}, which is not a whole number above zero.")
    return value


def number(config: Json, key: str, default: float | None = None) -> float:
    """Return the number above zero at `key` of config.json. Raises ConvertError when it is none."""
    value = _value(config, key, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < LARGEST:
        raise ConvertError(f"config.json gives {value!r} as {key}, which is not a number above zero.")
    return float(value)


def _value(config: Json, key: str, default: float | None) -> object:
    value: object = config.get(key)
    if value is None:
        value = default
    if value is None:
        raise ConvertError(f"config.json has no {key}.")
    return value
