"""Writes a GGUF file whose layout is known before the first byte; never leaves half a file under its name.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (version 3, little-endian, alignment 32).
"""

import errno
import hashlib
import os
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType

from convert.errors import ConvertError
from convert.tensors import Bytes, Metadata, Shape, Value

ALIGNMENT = 32
VERSION = 3
READ_BYTES = 1 << 22


@dataclass(frozen=True)
class Declared:
    """One tensor in the file: shape with rows first, number of its GGML type, `size` bytes at `offset`."""

    name: str
    shape: Shape
    type_number: int
    size: int
    offset: int


@dataclass(frozen=True)
class Layout:
    """A whole file before it exists: header, tensors with offsets from the start of the file, size."""

    header: bytes
    tensors: Mapping[str, Declared]
    size: int


def declare(metadata: Metadata, tensors: Iterable[tuple[str, Shape, int, int]]) -> Layout:
    """Return the layout of a file with `metadata` and `tensors`: (name, shape, type number, bytes).

    Raises ConvertError when a text among the metadata cannot be written.
    """
    rows = []
    offset = 0
    for name, shape, type_number, size in tensors:
        rows.append(Declared(name, shape, type_number, size, offset))
        offset += _padded(size)
    header = b"".join(
        [
            b"GGUF",
            struct.pack("<IQQ", VERSION, len(rows), len(metadata)),
            *(_text(key) + _typed(value) for key, value in metadata.items()),
            *(_tensor_info(row) for row in rows),
        ]
    )
    header = header.ljust(_padded(len(header)), b"\0")
    start = len(header)
    placed = {r.name: Declared(r.name, r.shape, r.type_number, r.size, start + r.offset) for r in rows}
    return Layout(header, placed, start + offset)


def part_path(path: Path) -> Path:
    """Return the name under which the file for `path` grows."""
    return path.with_name(path.name + ".part")


class GgufFile:
    """A file that grows as `*.part` and gets its name when it is whole and checked; a context manager.

    Leaving it before `finish`, for whatever reason, removes the part. Every call raises ConvertError when the
    disk is full or fails.
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        self._path = path
        self._part = part_path(path)
        self._layout = layout
        self._hashes: dict[str, bytes] = {}

    def __enter__(self) -> Self:
        try:
            # What an earlier run left behind when it was killed is of no use to anyone.
            self._part.unlink(missing_ok=True)
            self._file = self._part.open("xb", buffering=0)
        except OSError as error:
            raise _disk_error(self._path, error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)

    def write(self, name: str, data: Bytes) -> None:
        """Write the bytes of the declared tensor `name`, in any order of names."""
        row = self._layout.tensors[name]
        if data.nbytes != row.size or name in self._hashes:
            raise ValueError(f"{name} was declared once, with {row.size} bytes, not {data.nbytes}")
        # The file is read and parsed back at the end: this is what it must hold.
        self._hashes[name] = hashlib.sha256(data.data).digest()
        self._write_at(row.offset, data.data)
        self._write_at(row.offset + row.size, memoryview(bytes(_padded(row.size) - row.size)))

    def finish(self) -> None:
        """Write the header, put all on the disk, read it back, check it, and give the file its name."""
        if missing := self._layout.tensors.keys() - self._hashes.keys():
            raise ValueError(f"never written: {sorted(missing)}")
        self._write_at(0, memoryview(self._layout.header))
        try:
            os.fsync(self._file.fileno())
            self._file.close()
            _check(self._part, self._layout, self._hashes)
            self._part.replace(self._path)
            _sync_folder(self._path.parent)
        except OSError as error:
            raise _disk_error(self._path, error) from error

    def _write_at(self, offset: int, data: memoryview) -> None:
        try:
            self._file.seek(offset)
            while data.nbytes:
                data = data[self._file.write(data) :]
        except OSError as error:
            raise _disk_error(self._path, error) from error


def _check(path: Path, layout: Layout, hashes: Mapping[str, bytes]) -> None:
    """Parse the file with the gguf package and hash its tensors. Raises ConvertError at any difference."""
    try:
        found = {
            tensor.name: Declared(
                tensor.name,
                tuple(int(length) for length in reversed(tensor.shape)),
                GGMLQuantizationType(tensor.tensor_type).value,
                int(tensor.n_bytes),
                int(tensor.data_offset),
            )
            for tensor in GGUFReader(path).tensors
        }
    except (ValueError, KeyError, IndexError) as error:
        raise ConvertError(f"{path} reads back damaged; the disk may be failing.") from error
    if found != layout.tensors or path.stat().st_size != layout.size:
        raise ConvertError(f"{path} reads back with other tensors than were written; the disk may be failing.")
    with path.open("rb") as file:
        if file.read(len(layout.header)) != layout.header:
            raise ConvertError(f"The header of {path} reads back changed; the disk may be failing.")
        for name, row in layout.tensors.items():
            file.seek(row.offset)
            if _hash(file.read, row.size) != hashes[name]:
                raise ConvertError(f"The tensor {name} in {path} reads back changed; the disk may be failing.")


def _hash(read: Callable[[int], bytes], size: int) -> bytes:
    digest = hashlib.sha256()
    while size > 0 and (data := read(min(size, READ_BYTES))):
        digest.update(data)
        size -= len(data)
    return digest.digest()


def _sync_folder(folder: Path) -> None:
    """Put the new name on the disk as well, where folders can be opened for that."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _disk_error(path: Path, error: OSError) -> ConvertError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return ConvertError(f"There was no room left on the disk for {path}; nothing was kept.")
    return ConvertError(f"{path} could not be written ({error.strerror}); nothing was kept.")


def _padded(size: int) -> int:
    return size + -size % ALIGNMENT


def _text(text: str) -> bytes:
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ConvertError(f"The text {text[:40]!r} in the tokenizer or its settings is not Unicode.") from error
    return struct.pack("<Q", len(data)) + data


def _tensor_info(row: Declared) -> bytes:
    lengths = tuple(reversed(row.shape))
    numbers = struct.pack(f"<I{len(lengths)}QIQ", len(lengths), *lengths, row.type_number, row.offset)
    return _text(row.name) + numbers


def _typed(value: Value) -> bytes:
    """Return a metadata value behind the number of its type."""
    kind = GGUFValueType
    if isinstance(value, bool):
        return struct.pack("<I?", kind.BOOL, value)
    if isinstance(value, int):
        return struct.pack("<II", kind.UINT32, value)
    if isinstance(value, np.int32):
        return struct.pack("<Ii", kind.INT32, value)
    if isinstance(value, float):
        return struct.pack("<If", kind.FLOAT32, value)
    if isinstance(value, str):
        return struct.pack("<I", kind.STRING) + _text(value)
    if isinstance(value, list):
        return struct.pack("<IIQ", kind.ARRAY, kind.STRING, len(value)) + b"".join(_text(text) for text in value)
    items = kind.INT32 if value.dtype == np.int32 else kind.FLOAT32
    return struct.pack("<IIQ", kind.ARRAY, items, len(value)) + value.astype(value.dtype.newbyteorder("<")).tobytes()
