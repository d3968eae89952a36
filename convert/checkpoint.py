"""Reads a Hugging Face checkpoint in safetensors: headers first, then tensor by tensor; never loads a pickle.

Format: https://huggingface.co/docs/safetensors (8 bytes of header length, a JSON header, the tensors' bytes).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TypeGuard

import numpy as np

from convert.errors import ConvertError
from convert.json_file import Json, parse_object, read_object
from convert.tensors import Array, Bytes, TensorInfo, listing, to_float32

SINGLE = "model.safetensors"
ADAPTER = "adapter_model.safetensors"
INDEX = "model.safetensors.index.json"
LARGEST_HEADER = 100_000_000  # bytes; the limit of the format's own reader

DTYPE_BITS: Mapping[str, int] = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "U16": 16, "I16": 16, "F16": 16, "BF16": 16,
    "U32": 32, "I32": 32, "F32": 32,
    "U64": 64, "I64": 64, "F64": 64, "C64": 64,
}  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """Where one tensor lies: `size` bytes at `offset` of `file`."""

    info: TensorInfo
    file: Path
    offset: int
    size: int


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of one or several safetensors files. Holds no file open."""

    stored: Mapping[str, Stored]

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:
        """All tensors by name."""
        return {name: stored.info for name, stored in self.stored.items()}

    @property
    def files(self) -> frozenset[Path]:
        """The files that the tensors lie in."""
        return frozenset(stored.file for stored in self.stored.values())

    def size(self, file: Path) -> int:
        """Return the size of one of the files: its last tensor ends it."""
        return max(stored.offset + stored.size for stored in self.stored.values() if stored.file == file)

    def read(self, name: str) -> Array:
        """Return one tensor as float32 in its own shape.

        Raises ConvertError when the file cannot be read any more.
        """
        stored = self.stored[name]
        return to_float32(read_bytes(stored.file, stored.offset, stored.size), stored.info)

    def read_rows(self, name: str, first: int, count: int) -> Array:
        """Return the rows `first` to `first + count` of one tensor, as `read` does. Raises ConvertError."""
        stored = self.stored[name]
        rows, *columns = stored.info.shape
        size = stored.size // rows if rows else 0
        info = TensorInfo(name, stored.info.dtype, (count, *columns))
        return to_float32(read_bytes(stored.file, stored.offset + first * size, count * size), info)


def open_adapter(folder: Path) -> Checkpoint:
    """Return the tensors of the adapter in `folder`, as PEFT saves one. Raises ConvertError."""
    if (folder / "adapter_model.bin").exists() and not (folder / ADAPTER).exists():
        raise ConvertError(f"{folder} holds a pickle (adapter_model.bin); save the adapter as safetensors with PEFT.")
    return open_file(folder / ADAPTER)


def read_bytes(path: Path, offset: int, size: int) -> Bytes:
    """Return `size` bytes at `offset` of a file.

    Read and not mapped: a mapped file that is cut short or fails meanwhile ends the process with a signal, and
    its pages count as memory. Raises ConvertError when the bytes are not there any more.
    """
    data = np.empty(size, np.uint8)
    rest = data.data
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(offset)
            while rest.nbytes and (got := file.readinto(rest)):
                rest = rest[got:]
    except OSError as error:
        raise ConvertError(f"{path} cannot be read any more ({error.strerror}).") from error
    if rest.nbytes:
        raise ConvertError(f"{path} is shorter than it was; was it changed meanwhile?")
    return data


def open_folder(folder: Path) -> Checkpoint:
    """Return the checkpoint in `folder`: one file, or the shards that an index lists. Raises ConvertError."""
    if not folder.is_dir():
        raise ConvertError(f"{folder} is not a folder with a checkpoint.")
    if (folder / SINGLE).exists():
        return open_file(folder / SINGLE)
    if (folder / INDEX).exists():
        return _open_shards(folder)
    if any(folder.glob("*.bin")):
        raise ConvertError(
            f"{folder} holds its weights as a pickle (.bin), which can run code when it is opened; load it "
            "with transformers where that is safe and save it again with save_pretrained()."
        )
    raise ConvertError(f"{folder} has no {SINGLE} and no {INDEX}.")


def open_file(path: Path) -> Checkpoint:
    """Return the tensors of one safetensors file, its header checked in full. Raises ConvertError."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(size - 8, LARGEST_HEADER):
                raise ConvertError(f"{path} is cut short or is not a safetensors file.")
            header = parse_object(file.read(length), f"The header of {path}")
    except FileNotFoundError as error:
        raise ConvertError(f"{path} is missing.") from error
    except OSError as error:
        raise ConvertError(f"{path} cannot be read ({error.strerror}).") from error
    header.pop("__metadata__", None)
    stored = {name: _entry(path, name, entry, 8 + length) for name, entry in header.items()}
    _check_coverage(path, list(stored.values()), 8 + length, size)
    return Checkpoint(stored)


def _entry(path: Path, name: str, entry: object, data_start: int) -> Stored:
    """Return one header entry with its numbers checked against each other."""
    if not isinstance(entry, dict):
        raise ConvertError(f"The header of {path} does not describe the tensor {name}.")
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in DTYPE_BITS:
        raise ConvertError(f"The tensor {name} in {path} has an unknown dtype.")
    if not _is_counts(shape) or not _is_counts(offsets) or len(offsets) != 2:
        raise ConvertError(f"The tensor {name} in {path} has an impossible shape or position.")
    begin, end = offsets
    if (end - begin) * 8 != prod(shape) * DTYPE_BITS[dtype]:
        raise ConvertError(f"The tensor {name} in {path} does not have the size that its shape needs.")
    return Stored(TensorInfo(name, dtype, tuple(shape)), path, data_start + begin, end - begin)


def _is_counts(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def _check_coverage(path: Path, stored: list[Stored], data_start: int, size: int) -> None:
    """Check that the tensors fill the file end to end: the format allows no overlap and no gap."""
    position = data_start
    for entry in sorted(stored, key=lambda item: (item.offset, item.size)):
        if entry.offset != position:
            raise ConvertError(f"The tensor {entry.info.name} in {path} overlaps another one or leaves a gap.")
        position += entry.size
    if position > size:
        raise ConvertError(f"{path} is cut short: {position - size} bytes are missing.")
    if position < size:
        raise ConvertError(f"{path} has {size - position} bytes that belong to no tensor.")


def _open_shards(folder: Path) -> Checkpoint:
    """Return all tensors of the shards that the index in `folder` lists; both must agree exactly."""
    places = _weight_map(folder, read_object(folder / INDEX))
    shards = sorted(set(places.values()))
    missing = [shard for shard in shards if not (folder / shard).is_file()]
    if missing:
        raise ConvertError(f"{folder} lacks {listing(missing)}, named in {INDEX}.")
    stored: dict[str, Stored] = {}
    for shard in shards:
        for name, entry in open_file(folder / shard).stored.items():
            if places.get(name) != shard:
                raise ConvertError(f"The tensor {name} is in {shard}, but {INDEX} does not say so.")
            stored[name] = entry
    absent = [name for name in places if name not in stored]
    if absent:
        raise ConvertError(f"{INDEX} in {folder} names tensors that no shard has: {listing(absent)}.")
    return Checkpoint(stored)


def size_notice(folder: Path, checkpoint: Checkpoint) -> str | None:
    """Return what a person should know when the index states another size than the tensors have: nothing reads it."""
    if (folder / SINGLE).exists():
        return None
    metadata = read_object(folder / INDEX).get("metadata")
    stated = metadata.get("total_size") if isinstance(metadata, dict) else None
    size = sum(stored.size for stored in checkpoint.stored.values())
    return None if stated in (None, size) else f"{INDEX} states {stated} bytes of tensors, and there are {size}"


def _weight_map(folder: Path, index: Json) -> dict[str, str]:
    places = index.get("weight_map")
    if not isinstance(places, dict) or not places:
        raise ConvertError(f"{INDEX} in {folder} has no weight_map.")
    for shard in places.values():
        # A shard is a plain name beside the index: a path could point anywhere on this machine.
        if not isinstance(shard, str) or Path(shard).name != shard or shard in {"", ".", ".."}:
            raise ConvertError(f"{INDEX} in {folder} names a shard outside its folder.")
    return places
