"""Importance matrices in both of llama.cpp's formats, written by the gguf package or by hand, never by ours.

Layouts: llama.cpp, tools/imatrix/imatrix.cpp (save_imatrix, save_imatrix_legacy).
"""

import struct
from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

Table = Mapping[str, NDArray[np.float32]]
TEXT, CHUNKS, CHUNK_SIZE = "texts/talk.txt", 3, 32


def write_importance(path: Path, means: Table) -> Path:
    """Write the mean squares `means` as a GGUF importance matrix: sums over a power of two of tokens, so exact."""
    writer = gguf.GGUFWriter(path, arch="", endianess=gguf.GGUFEndian.LITTLE)
    writer.kv_data[0].clear()
    writer.add_type("imatrix")
    writer.add_array("imatrix.datasets", [TEXT])
    writer.add_uint32("imatrix.chunk_count", CHUNKS)
    writer.add_uint32("imatrix.chunk_size", CHUNK_SIZE)
    for name, values in sorted(means.items()):
        writer.add_tensor(f"{name}.in_sum2", values * np.float32(64))
        writer.add_tensor(f"{name}.counts", np.array([64], np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_dat(path: Path, means: Table) -> Path:
    """Write the mean squares `means` in the older format: sums over a power of two of calls."""
    parts = [struct.pack("<i", len(means))]
    for name, values in sorted(means.items()):
        parts += [struct.pack("<i", len(name)), name.encode(), struct.pack("<ii", 2, values.size)]
        parts.append((values * np.float32(2)).tobytes())
    parts.append(struct.pack("<ii", CHUNKS, len(TEXT)) + TEXT.encode())
    path.write_bytes(b"".join(parts))
    return path
