"""Encodes float32 rows with the very encoder of llama.cpp, found in the installed llama-cpp-python.

Goes through ctypes because no Python package encodes the K types; never imports llama_cpp, which would load
the whole engine.
"""

import ctypes
import importlib.util
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from convert.errors import ConvertError
from convert.quant.types import TensorType
from convert.tensors import Array, Bytes

FILE_NAMES = {"darwin": "libggml-base.dylib", "win32": "ggml-base.dll"}  # elsewhere libggml-base.so
CHUNK_VALUES = 1 << 18  # about a millisecond of work: long enough to share out, short enough to stop at once


def encode(name: str, values: Array, type_: TensorType, importance: Array | None = None) -> Bytes:
    """Return the bytes of the rows `values` (rows x columns) of the tensor `name` in `type_`.

    `importance` weighs the columns. Rows know nothing of each other: it does not matter how many come at once.
    Raises ConvertError when a value is not finite, or too large for the type.
    """
    rows = np.require(values, np.float32, ["C", "A"])
    weights = None if importance is None else np.require(importance.reshape(rows.shape[1]), np.float32, ["C", "A"])
    result = np.empty(type_.size(rows.shape), np.uint8)
    pointer = None if weights is None else weights.ctypes.data
    load_encoder()(type_.number, rows.ctypes.data, result.ctypes.data, 0, *rows.shape, pointer)
    if not (_is_below(rows, type_.limit) and type_.is_sound(result)):
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
