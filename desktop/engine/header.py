"""A GGUF's header: what the model is and how much memory it needs. Never loads weights.

Layout after ggml/docs/gguf.md: magic, version, counts, key-value pairs, tensor table, aligned data.
"""

import mmap
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from desktop.errors import UserError

_SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_STRING, _ARRAY = 8, 9
# Working buffers of llama.cpp on top of weights and KV cache, as seen with models up to 7B.
_COMPUTE_BYTES = 256 * 1024 * 1024

Value = str | int | float | bool


@dataclass(frozen=True)
class Header:
    """What the header says. `values` holds scalars and strings alone; arrays are passed over."""

    path: Path
    values: dict[str, Value]
    file_bytes: int

    @property
    def architecture(self) -> str:
        """The model's family, such as "llama"."""
        return str(self.values.get("general.architecture", ""))

    @property
    def name(self) -> str:
        """The model's own name, or its file's."""
        return str(self.values.get("general.name") or self.path.stem)

    @property
    def trained_context(self) -> int:
        """The context length in tokens that the model was trained with, 0 if not given."""
        return self._count("context_length")

    def needed_bytes(self, context_length: int) -> int:
        """Weights, a 16-bit KV cache of `context_length` tokens, and working buffers."""
        heads = max(self._count("attention.head_count"), 1)
        kv_heads = self._count("attention.head_count_kv") or heads
        head_size = self._count("attention.key_length") or self._count("embedding_length") // heads
        cache = 2 * 2 * self._count("block_count") * kv_heads * head_size * context_length
        return self.file_bytes + cache + _COMPUTE_BYTES

    def _count(self, key: str) -> int:
        value = self.values.get(f"{self.architecture}.{key}", 0)
        return value if isinstance(value, int) and value > 0 else 0


class _Reader:
    """A cursor over the mapped file; everything it reads is checked against the file's end."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self.offset = 0

    def number(self, form: str) -> int | float | bool:
        size = struct.calcsize(form)
        self._within(size)
        (value,) = struct.unpack_from(form, self._data, self.offset)
        self.offset += size
        assert isinstance(value, int | float)
        return value

    def count(self, form: str) -> int:
        """A count of things that each take at least one byte of what is left."""
        value = int(self.number(form))
        self._within(value)
        return value

    def string(self) -> str:
        size = self.count("<Q")
        self.offset += size
        return self._data[self.offset - size : self.offset].decode("utf-8", "replace")

    def value(self, kind: int) -> Value | None:
        """A value of GGUF type `kind`; None for an array, which is passed over."""
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            return self.number(_SCALARS[kind])
        kind, count = int(self.number("<I")), self.count("<Q")
        if kind == _STRING:
            for _ in range(count):
                size = self.count("<Q")
                self.offset += size
        else:
            size = struct.calcsize(_SCALARS[kind]) * count
            self._within(size)
            self.offset += size
        return None

    def _within(self, size: int) -> None:
        if self.offset + size > len(self._data):
            raise EOFError


def read_header(path: Path) -> Header:
    """Reads and checks the header. Raises UserError: model_missing, model_not_gguf, model_truncated."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < 24:
                raise UserError("model_not_gguf", path=str(path))
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _parse(path, data)
    except OSError as error:
        raise UserError("model_missing", path=str(path)) from error
    except EOFError as error:
        raise UserError("model_truncated", path=str(path)) from error
    except (KeyError, ValueError, OverflowError) as error:
        raise UserError("model_broken", path=str(path)) from error


def _parse(path: Path, data: mmap.mmap) -> Header:
    reader = _Reader(data)
    if data[:4] != b"GGUF":
        raise UserError("model_not_gguf", path=str(path))
    reader.offset = 4
    if reader.number("<I") not in (2, 3):
        raise UserError("model_broken", path=str(path))
    tensors, pairs = reader.count("<Q"), reader.count("<Q")
    values: dict[str, Value] = {}
    for _ in range(pairs):
        key = reader.string()
        value = reader.value(int(reader.number("<I")))
        if value is not None:
            values[key] = value
    end = 0
    for _ in range(tensors):
        reader.string()
        elements = 1
        for _ in range(reader.count("<I")):
            elements *= int(reader.number("<Q"))
        block, size = GGML_QUANT_SIZES[GGMLQuantizationType(int(reader.number("<I")))]
        end = max(end, int(reader.number("<Q")) + elements // block * size)
    alignment = values.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 1:
        raise ValueError(alignment)
    start = -(-reader.offset // alignment) * alignment
    if start + end > len(data):
        raise UserError("model_truncated", path=str(path))
    return Header(path, values, len(data))


def free_bytes() -> int:
    """Memory that can be used without swapping, as the kernel estimates it; 0 where it does not say."""
    try:
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
