"""Encodes float32 rows with the very encoder of llama.cpp, found in the installed llama-cpp-python.

Goes through ctypes because no Python package encodes the K types; never imports llama_cpp, which would load
the whole engine.
"""

import ctypes
import importlib.util
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from convert.errors import ConvertError
from convert.quant.types import TensorType
from convert.tensors import Array, Bytes

FILE_NAMES = {"darwin": "libggml-base.dylib", "win32": "ggml-base.dll"}  # elsewhere libggml-base.so
CHUNK_VALUES = 1 << 18  # about a millisecond of work: long enough to share out, short enough to stop at once


class Encoder:
    """Encodes tensors with `threads` threads. A context manager: leaving it drops what is not started yet."""

    def __init__(self, threads: int) -> None:
        self._quantize = load_encoder()
        self._pool = ThreadPoolExecutor(max_workers=threads)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def encode(self, name: str, values: Array, type_: TensorType) -> Bytes:
        """Return the bytes of `values` (rows last) in `type_`; the number of threads changes no byte.

        Raises ConvertError when a value is not finite, or too large for the type.
        """
        columns = values.shape[-1]
        rows = np.require(values.reshape(-1, columns), np.float32, ["C", "A"])
        result = np.empty(type_.size(values.shape), np.uint8)
        step = max(1, CHUNK_VALUES // columns)
        row_bytes = type_.size((columns,))

        def encode_chunk(first: int) -> bool:
            chunk = rows[first : first + step]
            target = result[first * row_bytes :]
            self._quantize(type_.number, chunk.ctypes.data, target.ctypes.data, 0, len(chunk), columns, None)
            return _is_sound(chunk, type_)

        if not all(self._pool.map(encode_chunk, range(0, len(rows), step))):
            raise ConvertError(f"The tensor {name} holds values that are not numbers or too large for {type_.name}.")
        return result


def library_path() -> Path:
    """Return where llama-cpp-python keeps GGML's base library. Raises ConvertError when it is missing."""
    spec = importlib.util.find_spec("llama_cpp")
    name = FILE_NAMES.get(sys.platform, "libggml-base.so")
    for folder in (spec and spec.submodule_search_locations) or ():
        if (path := Path(folder) / "lib" / name).exists():
            return path
    raise ConvertError(f"llama-cpp-python's {name} is not installed; set Quietroom up again.")


def _is_sound(chunk: Array, type_: TensorType) -> bool:
    with np.errstate(invalid="ignore"):
        # Not a number compares as false, and infinity is not below infinity: one pass finds all three.
        return float(np.abs(chunk).max(initial=0)) < type_.limit


@cache
def load_encoder() -> Callable[..., int]:
    """Return ggml_quantize_chunk(type, source, target, start, rows, columns, importance) -> bytes written.

    Raises ConvertError when the library is missing or lacks it.
    """
    path = library_path()
    try:
        function = ctypes.CDLL(str(path)).ggml_quantize_chunk
    except (OSError, AttributeError) as error:
        raise ConvertError(f"{path} cannot be used ({error}); set Quietroom up again.") from error
    pointer, count = ctypes.c_void_p, ctypes.c_int64
    function.argtypes = [ctypes.c_int, pointer, pointer, count, count, count, pointer]
    function.restype = ctypes.c_size_t
    return function
