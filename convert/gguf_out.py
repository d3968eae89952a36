"""Writes a GGUF file whose layout is known before the first byte; never leaves half a file under its name.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (version 3, little-endian, alignment 32).
"""

import errno
import hashlib
import os
import struct
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

import numpy as np
from gguf import GGUFValueType

from convert.digest import Digest
from convert.errors import ConvertError
from convert.journal import Journal
from convert.lock import lock
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


def journal_path(path: Path) -> Path:
    """Return where it is noted which tensors of the part are whole."""
    return path.with_name(path.name + ".part.journal")


def allocated(path: Path) -> int:
    """Return how many bytes of the disk the file at `path` takes: an unfinished one has holes."""
    if not path.exists():
        return 0
    found = path.stat()
    return getattr(found, "st_blocks", 0) * 512 or found.st_size


class GgufFile:
    """A file that grows as `*.part` and gets its name when it is whole and checked; a context manager.

    Leaving it before `finish`, for whatever reason but a kill, removes the part. After a kill a run of the same
    `job` goes on where that one was stopped, and any other begins anew; without a job nothing is taken up. Every
    call raises ConvertError when the disk is full or fails.
    """

    def __init__(self, path: Path, layout: Layout, job: str = "", threads: int = 1) -> None:
        self._path = path
        self._part = part_path(path)
        self._layout = layout
        self._threads = threads
        self._journal = Journal(journal_path(path), job) if job else None
        self._hashes: dict[str, bytes] = {}
        self._digests: dict[str, Digest] = {}
        self._lock = Lock()

    @property
    def hashes(self) -> Mapping[str, bytes]:
        """The SHA-256 of every tensor that is whole, by name."""
        return self._hashes

    @property
    def named(self) -> bool:
        """Whether the file has its name: what is called part then, if anything is, belongs to another run."""
        try:
            return self._file.closed or not os.path.samestat(os.fstat(self._file.fileno()), self._part.stat())
        except FileNotFoundError:
            return True

    def __enter__(self) -> Self:
        try:
            self._open()
            with ExitStack() as stack:
                stack.push(self.__exit__)
                self._take_up()
                stack.pop_all()
        except OSError as error:
            raise _disk_error(self._path, error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.named:
            journal_path(self._path).unlink(missing_ok=True)
            if sys.platform == "win32":
                self._file.close()  # there no open file can be removed
            self._part.unlink()
        self._file.close()

    def write(self, name: str, data: Bytes, position: int = 0) -> bool:
        """Write bytes at `position` of the declared tensor `name`; return whether it is whole now.

        Names and pieces may come in any order and from any thread; `data` must not be changed afterwards.
        """
        row = self._layout.tensors[name]
        with self._lock:
            if name in self._hashes:
                raise ValueError(f"{name} is written already")
            digest = self._digests.setdefault(name, Digest(row.size))
        if position + data.nbytes > row.size:
            raise ValueError(f"{name} was declared with {row.size} bytes, not {position + data.nbytes}")
        self._write_at(row.offset + position, data.data)
        # The file is read back at the end: this is what it must hold.
        if not digest.add(position, data):
            return False
        with self._lock:
            self._hashes[name] = digest.digest()
            del self._digests[name]
            if self._journal:
                self._note(name)
        return True

    def finish(self, header: bytes = b"") -> None:
        """Write the header, put all on the disk, read it back, check it, and give the file its name.

        `header` is the declared one with its blanks filled in, and of the same length.
        """
        header = header or self._layout.header
        if missing := self._layout.tensors.keys() - self._hashes.keys():
            raise ValueError(f"never written: {sorted(missing)}")
        if len(header) != len(self._layout.header):
            raise ValueError("the header has another length than was declared")
        self._write_at(0, memoryview(header))
        try:
            os.fsync(self._file.fileno())
            self._check(header)
            journal_path(self._path).unlink(missing_ok=True)
            if sys.platform == "win32":
                self._file.close()  # there no open file can be renamed
            self._part.replace(self._path)
            _sync_folder(self._path.parent)
        except OSError as error:
            raise _disk_error(self._path, error) from error

    def _open(self) -> None:
        """Open the part, new or left by a killed run, and lock it; the lock goes with the process."""
        while True:
            file = self._part.open("ab", buffering=0)
            if not lock(file):
                file.close()
                raise ConvertError(f"{self._path} is being written by another conversion; wait for its end.")
            self._file = file
            # Between opening and locking, its owner may have finished and given it its name.
            if not self.named:
                return
            file.close()

    def _take_up(self) -> None:
        """Keep of what a killed run left the tensors that are what its journal says; drop all else."""
        noted = self._journal.read() if self._journal else {}
        whole = os.fstat(self._file.fileno()).st_size == self._layout.size
        rows = [row for name, row in self._layout.tensors.items() if whole and name in noted]
        self._hashes = {name: digest for name, digest in self._read_back(rows).items() if digest == noted[name]}
        if not self._hashes:
            os.truncate(self._part, 0)
        os.truncate(self._part, self._layout.size)
        if self._journal:
            self._journal.start(self._hashes)
        else:
            journal_path(self._path).unlink(missing_ok=True)

    def _read_back(self, rows: Iterable[Declared]) -> dict[str, bytes]:
        """Return the SHA-256 of tensors as they are in the part."""

        def digest(row: Declared) -> bytes:
            with self._part.open("rb", buffering=0) as file:
                file.seek(row.offset)
                return _hash(file.read, row.size)

        rows = list(rows)
        with ThreadPoolExecutor(self._threads) as pool:
            return dict(zip((row.name for row in rows), pool.map(digest, rows), strict=True))

    def _check(self, header: bytes) -> None:
        """Read the whole part and compare it with what was written. Raises ConvertError at any difference.

        The header holds every tensor's name, shape, type and offset: it must be the same to the byte.
        """
        with self._part.open("rb", buffering=0) as file:
            if file.read(len(header)) != header:
                raise ConvertError(f"The header of {self._part} reads back changed; the disk may be failing.")
            if os.fstat(file.fileno()).st_size != self._layout.size:
                raise ConvertError(f"{self._part} reads back with another size; the disk may be failing.")
        for name, digest in self._read_back(self._layout.tensors.values()).items():
            if digest != self._hashes[name]:
                raise ConvertError(f"The tensor {name} in {self._part} reads back changed; the disk may be failing.")

    def _note(self, name: str) -> None:
        try:
            if self._journal:
                self._journal.add(name, self._hashes[name])
        except OSError as error:
            raise _disk_error(self._path, error) from error

    def _write_at(self, offset: int, data: memoryview) -> None:
        try:
            with self._part.open("r+b", buffering=0) as file:
                file.seek(offset)
                while data.nbytes:
                    data = data[file.write(data) :]
        except OSError as error:
            raise _disk_error(self._path, error) from error


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
