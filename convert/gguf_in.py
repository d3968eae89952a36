"""Reads the header of a GGUF file that nobody vouches for: metadata and tensor table; never more than it checked.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian. What llama.cpp's
own reader (ggml/src/gguf.cpp) refuses is refused here, in a sentence, before that reader sees the file.
"""

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from numpy.typing import NDArray

from convert.errors import ConvertError
from convert.tensors import Bytes, Shape

VERSIONS = (2, 3)
SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<B", 10: "<Q", 11: "<q", 12: "<d"}
UINT32, BOOL, STRING, ARRAY = 4, 7, 8, 9
LONGEST_NAME = 63  # bytes; GGML_MAX_NAME with its end
MOST_DIMENSIONS = 4
MOST_ITEMS = 1 << 22  # in all arrays together; the largest vocabularies have some 300,000 tokens and as many merges
LONGEST_TEXT = 1 << 24  # bytes; the longest chat templates have some 20,000
MOST_TENSORS = 1 << 17

Value = bool | int | float | str | list[str] | NDArray[np.generic]


@dataclass(frozen=True)
class Placed:
    """One tensor: shape with rows first, its GGML type, and `size` bytes at `offset` from the file's start."""

    name: str
    shape: Shape
    type: GGMLQuantizationType
    offset: int
    size: int


@dataclass(frozen=True)
class GgufHeader:
    """What a file says of itself, checked to be possible. `end` is where the last tensor ends."""

    path: Path
    version: int
    metadata: Mapping[str, Value]
    kinds: Mapping[str, int]
    tensors: Mapping[str, Placed]
    end: int

    def read(self, name: str) -> Bytes:
        """Return the bytes of one tensor, mapped, not copied. Raises ConvertError when they are gone."""
        place = self.tensors[name]
        if not place.size:
            return np.empty(0, np.uint8)
        try:
            return np.memmap(self.path, dtype=np.uint8, mode="r", offset=place.offset, shape=(place.size,))
        except (OSError, ValueError) as error:
            raise ConvertError(f"{self.path} cannot be read any more; was it changed meanwhile?") from error

    @property
    def embeds(self) -> bool:
        """Whether the model turns a text into one vector, and has no next token."""
        return self.metadata.get(f"{self.text('general.architecture')}.attention.causal") is False

    def text(self, key: str) -> str:
        """Return the text at `key`, or an empty one."""
        value = self.metadata.get(key, "")
        return value if isinstance(value, str) else ""

    def count(self, key: str) -> int:
        """Return the whole number at `key`, or 0."""
        value = self.metadata.get(key, 0)
        return value if isinstance(value, int) else 0


def read_gguf(path: Path) -> GgufHeader:
    """Return the checked header of the GGUF file at `path`. Raises ConvertError saying what is damaged."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if file.read(4) != b"GGUF":
                raise ConvertError(f"{path} is not a GGUF file.")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _parse(path, data, size)
    except FileNotFoundError as error:
        raise ConvertError(f"{path} is missing.") from error
    except (OSError, ValueError) as error:
        raise ConvertError(f"{path} cannot be read ({error}).") from error


class _Cursor:
    """A place in the mapped file; nothing is read beyond its end."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self._path, self._data = path, data
        self.place = 4
        self._items = MOST_ITEMS

    def damage(self, what: str) -> ConvertError:
        return ConvertError(f"{self._path} is damaged: {what}.")

    def raw(self, size: int) -> bytes:
        if size > len(self._data) - self.place:
            raise ConvertError(f"{self._path} is cut short or damaged: its header goes on where the file ends.")
        self.place += size
        return self._data[self.place - size : self.place]

    def number(self, form: str) -> int:
        value: int = struct.unpack(form, self.raw(struct.calcsize(form)))[0]
        return value

    def text(self, what: str, longest: int = LONGEST_TEXT) -> str:
        length = self.number("<Q")
        if length > longest:
            raise self.damage(f"{what} is {length} bytes long")
        try:
            return self.raw(length).decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.damage(f"{what} is not Unicode") from error

    def value(self, key: str) -> tuple[int, Value]:
        """Return the number of a metadata value's type (of its items' type, for an array) and the value."""
        kind = self.number("<I")
        if kind == ARRAY:
            return self._array(key)
        if kind == STRING:
            return kind, self.text(f"the value of {key}")
        if kind not in SCALARS:
            raise self.damage(f"the value of {key} has the unknown type {kind}")
        value = self.number(SCALARS[kind])
        if kind == BOOL and value > 1:
            raise self.damage(f"the value of {key} is neither true nor false")
        return kind, bool(value) if kind == BOOL else value

    def _array(self, key: str) -> tuple[int, Value]:
        kind, length = self.number("<I"), self.number("<Q")
        self._items -= length
        if self._items < 0:
            raise self.damage(f"the list at {key} is too long")
        if kind == STRING:
            return kind, [self.text(f"an item of {key}") for _ in range(length)]
        if kind not in SCALARS:
            raise self.damage(f"the list at {key} has the unknown type {kind}")
        return kind, np.frombuffer(self.raw(struct.calcsize(SCALARS[kind]) * length), SCALARS[kind])


def _parse(path: Path, data: mmap.mmap, size: int) -> GgufHeader:
    cursor = _Cursor(path, data)
    version = cursor.number("<I")
    if version not in VERSIONS:
        raise ConvertError(f"{path} says that it is GGUF version {version}; versions 2 and 3 are understood.")
    tensors, pairs = cursor.number("<Q"), cursor.number("<Q")
    if tensors > MOST_TENSORS:
        raise cursor.damage(f"it says that it has {tensors} tensors")
    metadata: dict[str, Value] = {}
    kinds: dict[str, int] = {}
    for _ in range(pairs):
        key = cursor.text("a metadata key", 1 << 16)
        if not key or key in metadata:
            raise cursor.damage(f"the metadata key {_shown(key)!r} is empty or comes twice")
        kinds[key], metadata[key] = cursor.value(_shown(key))
    alignment = metadata.get("general.alignment", 32)
    if (
        not isinstance(alignment, int)
        or kinds.get("general.alignment", UINT32) != UINT32
        or not 1 <= alignment <= 1 << 20
        or alignment & (alignment - 1)
    ):
        raise cursor.damage(f"{alignment!r} is no alignment")
    placed = [_tensor(cursor) for _ in range(tensors)]
    start = cursor.place + -cursor.place % alignment
    found = _placed(cursor, placed, start, alignment)
    end = max((tensor.offset + tensor.size for tensor in placed), default=0) + start
    if end > size:
        raise ConvertError(f"{path} is cut short: {end - size:,} bytes of its tensors are missing.")
    if size - end >= alignment:
        raise ConvertError(f"{path} is damaged: {size - end:,} bytes after its last tensor belong to nothing.")
    return GgufHeader(path, version, metadata, kinds, found, end if placed else cursor.place)


def _shown(key: str) -> str:
    """Return a metadata key as it can be told: damage may have made it anything."""
    return "".join(letter for letter in key if letter.isprintable())[:64]


def _tensor(cursor: _Cursor) -> Placed:
    """Read one entry of the tensor table; its offset counts from where the data starts."""
    name = cursor.text("a tensor's name", LONGEST_NAME)
    dimensions = cursor.number("<I")
    if dimensions > MOST_DIMENSIONS:
        raise cursor.damage(f"the tensor {name} has {dimensions} dimensions")
    lengths = [cursor.number("<Q") for _ in range(dimensions)]
    number, offset = cursor.number("<I"), cursor.number("<Q")
    try:
        kind = GGMLQuantizationType(number)
    except ValueError as error:
        raise cursor.damage(f"the tensor {name} has the unknown type {number}") from error
    block, block_bytes = GGML_QUANT_SIZES[kind]
    columns = lengths[0] if lengths else 1
    if prod(lengths) >= 1 << 48 or columns % block:
        raise cursor.damage(f"the tensor {name} has an impossible shape for {kind.name}: {lengths}")
    return Placed(name, tuple(reversed(lengths)), kind, offset, prod(lengths) // block * block_bytes)


def _placed(cursor: _Cursor, tensors: list[Placed], start: int, alignment: int) -> dict[str, Placed]:
    """Return the tensors by name with offsets from the file's start, each right behind the one before it."""
    found: dict[str, Placed] = {}
    expected = 0
    for tensor in tensors:
        if tensor.name in found:
            raise cursor.damage(f"two tensors are named {tensor.name}")
        if tensor.offset != expected:
            raise cursor.damage(f"the tensor {tensor.name} lies at {tensor.offset}, not at {expected} where it must")
        expected += tensor.size + -tensor.size % alignment
        found[tensor.name] = Placed(tensor.name, tensor.shape, tensor.type, start + tensor.offset, tensor.size)
    return found
