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

    def encode(self, name: str, values: Array, type_: TensorType, importance: Array | None = None) -> Bytes:
        """Return the bytes of `values` (rows last) in `type_`; the number of threads changes no byte.

        `importance` weighs the columns. Raises ConvertError when a value is not finite, or too large for the type.
        """
        columns = values.shape[-1]
        rows = np.require(values.reshape(-1, columns), np.float32, ["C", "A"])
        result = np.empty(type_.size(values.shape), np.uint8)
        step = max(1, CHUNK_VALUES // columns)
        row_bytes = type_.size((columns,))
        weights = None if importance is None else np.require(importance.reshape(columns), np.float32, ["C", "A"])
        pointer = None if weights is None else weights.ctypes.data

        def encode_chunk(first: int) -> bool:
            chunk = rows[first : first + step]
            target = result[first * row_bytes : (first + len(chunk)) * row_bytes]
            self._quantize(type_.number, chunk.ctypes.data, target.ctypes.data, 0, len(chunk), columns, pointer)
            return _is_below(chunk, type_.limit) and type_.is_sound(target)

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


def _is_below(chunk: Array, limit: float) -> bool:
    # What is not a number spreads through both ends and compares as false; neither takes memory.
    with np.errstate(invalid="ignore"):
        return chunk.size == 0 or bool(-limit < chunk.min() and chunk.max() < limit)


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
