"""What `bench` measures, each in a process of its own: `python -m convert.bench.child WHAT ...`; never reports."""

import ctypes
import hashlib
import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import llama_cpp
import numpy as np

from convert.bench.checkpoint import SHAPES, write_adapter, write_checkpoint
from convert.quant.ggml import encode
from convert.quant.types import TYPES

CHUNK = 1 << 23


def quantize(source: str, target: str, file_type: str, threads: str) -> None:
    """Let llama.cpp's own quantizer make `target` of the F16 file `source`."""
    settings = llama_cpp.llama_model_quantize_default_params()
    settings.ftype, settings.nthread = int(file_type), int(threads)
    if llama_cpp.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(settings)):
        sys.exit("llama.cpp's quantizer failed")


def copy(source: str, target: str) -> None:
    """Copy a file, put it on the disk, and hash the copy once."""
    with Path(source).open("rb") as old, Path(target).open("wb") as new:
        while data := old.read(CHUNK):
            new.write(data)
        new.flush()
        os.fsync(new.fileno())
    with Path(target).open("rb") as new:
        hashlib.file_digest(new, "sha256")


def encode_alone(type_name: str, values: str, threads: str) -> None:
    """Encode as many values, always the same ones, on so many threads, and drop the bytes."""
    rows = np.random.default_rng(0).standard_normal((256, 4096), np.float32) * np.float32(0.02)
    with ThreadPoolExecutor(int(threads)) as pool:
        list(pool.map(lambda _: encode("", rows, TYPES[type_name]).size, range(int(values) // rows.size)))


def prepare(folder: str, shape: str, layers: str) -> None:
    """Write the checkpoint and its adapter."""
    write_checkpoint(Path(folder) / "base", SHAPES[shape], int(layers))
    write_adapter(Path(folder) / "adapter", SHAPES[shape], int(layers))


if __name__ == "__main__":
    WHAT: Mapping[str, Callable[..., None]]
    WHAT = {"quantize": quantize, "copy": copy, "encode": encode_alone, "prepare": prepare}
    WHAT[sys.argv[1]](*sys.argv[2:])
