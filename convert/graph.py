"""Looks at the tensors of a running computation, through ctypes; never changes one.

GGML has no functions for all that is needed, so its struct ggml_tensor (ggml.h) is read in place. Its layout belongs
to one version of the library: `Graph` builds a small product of its own first, and refuses when it cannot find it.
"""

import ctypes
from dataclasses import dataclass

import numpy as np

from convert.errors import ConvertError
from convert.tensors import Array

F32 = 0
DIMENSIONS, SOURCES, NAME_BYTES, PARAMETERS = 4, 10, 64, 16


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("buffer", ctypes.c_void_p),
        ("lengths", ctypes.c_int64 * DIMENSIONS),
        ("strides", ctypes.c_size_t * DIMENSIONS),
        ("operation", ctypes.c_int),
        ("parameters", ctypes.c_int32 * PARAMETERS),
        ("flags", ctypes.c_int32),
        ("sources", ctypes.c_void_p * SOURCES),
        ("view_source", ctypes.c_void_p),
        ("view_offset", ctypes.c_size_t),
        ("data", ctypes.c_void_p),
        ("name", ctypes.c_char * NAME_BYTES),
    )


class _Room(ctypes.Structure):
    _fields_ = (("size", ctypes.c_size_t), ("memory", ctypes.c_void_p), ("no_data", ctypes.c_bool))


@dataclass(frozen=True)
class Product:
    """One product of a weight and what comes in: the weight's name, its matrices, and how many tokens come in."""

    weight: str
    matrices: int
    tokens: int
    tensor: _Tensor

    def incoming(self) -> Array:
        """Return what comes in (tokens x columns). Only while the computation stands at this product."""
        tensor = self.tensor
        lengths, strides = tuple(reversed(tensor.lengths)), tuple(reversed(tensor.strides))
        size = 1 + sum((length - 1) * stride for length, stride in zip(lengths, strides, strict=True)) + 3
        memory = (ctypes.c_char * size).from_address(tensor.data)
        return np.ndarray(lengths, np.float32, memory, strides=strides).reshape(-1, lengths[-1])


class Graph:
    """Recognises products of a weight and activations in float32 among the tensors of a computation."""

    def __init__(self, library: ctypes.CDLL) -> None:
        """Check that the structs of `library` (GGML's base library) lie as we read them. Raises ConvertError."""
        self._is_host = library.ggml_backend_buffer_is_host
        self._is_host.argtypes, self._is_host.restype = [ctypes.c_void_p], ctypes.c_bool
        self._product = _operation_of_a_product(library)

    def product(self, address: int) -> Product | None:
        """Return the product whose result is the tensor at `address`, or None when it is something else."""
        tensor = _Tensor.from_address(address)
        if tensor.operation != self._product:
            return None
        weight, incoming = (_Tensor.from_address(source) for source in tensor.sources[:2])
        if incoming.type != F32:
            return None
        name = weight.name.decode("utf-8", "replace")
        tokens = incoming.lengths[1] * incoming.lengths[2] * incoming.lengths[3]
        return Product(name, weight.lengths[2] * weight.lengths[3], tokens, incoming)

    def is_readable(self, product: Product) -> bool:
        """Whether what comes in lies in this machine's main memory."""
        return bool(self._is_host(product.tensor.buffer))


def _operation_of_a_product(library: ctypes.CDLL) -> int:
    pointer = ctypes.c_void_p
    library.ggml_init.argtypes, library.ggml_init.restype = [_Room], pointer
    library.ggml_new_tensor_2d.argtypes = [pointer, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    library.ggml_set_name.argtypes = [pointer, ctypes.c_char_p]
    library.ggml_mul_mat.argtypes = [pointer] * 3
    library.ggml_free.argtypes, library.ggml_free.restype = [pointer], None
    for make in (library.ggml_new_tensor_2d, library.ggml_set_name, library.ggml_mul_mat):
        make.restype = pointer
    room = library.ggml_init(_Room(1 << 16, None, False))
    try:
        weight = library.ggml_new_tensor_2d(room, F32, 24, 40)
        incoming = library.ggml_new_tensor_2d(room, F32, 24, 7)
        library.ggml_set_name(weight, b"blk.0.probe")
        product = _Tensor.from_address(library.ggml_mul_mat(room, weight, incoming))
        found = _Tensor.from_address(weight)
        seen = (found.name, *found.lengths[:2], *found.strides[:2], *product.lengths[:2], *product.sources[:2])
        if seen != (b"blk.0.probe", 24, 40, 4, 96, 40, 7, weight, incoming) or not found.data:
            raise ConvertError("This version of llama-cpp-python is not known; set Quietroom up again.")
        return int(product.operation)
    finally:
        library.ggml_free(room)
