"""Damages the headers of real files at random and lets our readers read them: `python fuzz.py NUMBER`.

Each of NUMBER damaged GGUF and NUMBER damaged safetensors files must be read cleanly or refused with a
ConvertError, by a process that stays below one gigabyte; a GGUF that we read must be one that llama.cpp's own
reader takes as well. Always the same damages: the seed is fixed.
"""

import ctypes
import resource
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from support.tiny_model import Shape, tiny_gguf, write_adapter

from convert.checkpoint import open_file
from convert.errors import ConvertError
from convert.gguf_in import read_gguf
from convert.quant.ggml import library_path

SMALL = Shape(layers=1, width=32, inner=32, heads=2, kv_heads=1)
MOST_MEMORY = 1 << 30
EDGES = (
    0,
    1,
    2,
    31,
    63,
    64,
    255,
    1 << 16,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 40,
    (1 << 63) - 1,
    (1 << 64) - 1,
)


class _Request(ctypes.Structure):
    _fields_ = (("no_data", ctypes.c_bool), ("context", ctypes.c_void_p))


def llama_takes(path: Path) -> bool:
    """Whether llama.cpp's own GGUF reader accepts the header of the file at `path`."""
    library = ctypes.CDLL(str(library_path()))
    library.gguf_init_from_file.argtypes = [ctypes.c_char_p, _Request]
    library.gguf_init_from_file.restype = ctypes.c_void_p
    library.gguf_free.argtypes = [ctypes.c_void_p]
    context = library.gguf_init_from_file(str(path).encode(), _Request(True, None))
    library.gguf_free(context)
    return bool(context)


def damaged(whole: bytes, header: int, random: np.random.Generator) -> bytes:
    """Return `whole` with one to four damages in its first `header` bytes, or cut off anywhere.

    Half of them have one that moves nothing, and the header's ends, where the counts and the table of tensors are,
    are met more often than its long middle.
    """
    data = bytearray(whole)
    moves = bool(random.integers(0, 2))
    for _ in range(random.integers(1, 5) if moves else 1):
        ends = ((0, 64), (0, header // 8), (header - header // 8, header), (0, header))
        at = int(random.integers(*ends[int(random.integers(0, len(ends)))]))
        match random.integers(0, 6 if moves else 3):
            case 0:
                data[at] ^= 1 << int(random.integers(0, 8))
            case 1:
                data[at] = int(random.integers(0, 256))
            case 2:
                size = int(random.choice((1, 4, 8)))
                edge = EDGES[int(random.integers(0, len(EDGES)))]
                data[at : at + size] = (edge & ((1 << 8 * size) - 1)).to_bytes(size, "little")
            case 3:
                del data[at : at + int(random.integers(1, 40))]
            case 4:
                data[at:at] = data[at : at + int(random.integers(1, 40))]
            case _:
                del data[int(random.integers(0, len(data))) :]
                return bytes(data)
    return bytes(data)


def sources(folder: Path) -> dict[str, tuple[bytes, int, Callable[[Path], object]]]:
    """Return a real file of each kind: its bytes, how many of them are header, and who reads it."""
    model = tiny_gguf(folder / "model.gguf", "Q8_0", SMALL)
    start = min(tensor.offset for tensor in read_gguf(model).tensors.values())
    write_adapter(folder / "adapter", SMALL)
    weights = (folder / "adapter" / "adapter_model.safetensors").read_bytes()
    length = 8 + int.from_bytes(weights[:8], "little")
    return {"gguf": (model.read_bytes(), start, read_gguf), "safetensors": (weights, length, open_file)}


def fuzz(number: int, folder: Path) -> Counter[str]:
    """Return how many of `number` damaged files of each kind were read and how many refused."""
    found: Counter[str] = Counter()
    for kind, (whole, header, read) in sources(folder).items():
        random = np.random.default_rng(number)
        path = folder / f"damaged.{kind}"
        for _ in range(number):
            path.write_bytes(damaged(whole, header, random))
            try:
                read(path)
            except ConvertError as error:
                assert len(str(error)) < 1000
                found[f"{kind} refused"] += 1
            else:
                assert kind != "gguf" or llama_takes(path), "llama.cpp refuses what we have read"
                found[f"{kind} read"] += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert peak < MOST_MEMORY, peak
    return found


if __name__ == "__main__":
    with TemporaryDirectory() as name:
        for what, times in sorted(fuzz(int(sys.argv[1]), Path(name)).items()):
            sys.stdout.write(f"{times:6} {what}\n")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    sys.stdout.write(f"{peak:6} MB at most\n")
