"""Importance matrices as files: GGUF and the older .dat, read and written; never where they come from.

An importance matrix says for each column of a weight how large, on average, the values are that it is multiplied
with: the mean of their squares. Formats: llama.cpp, tools/imatrix/imatrix.cpp (save_imatrix, save_imatrix_legacy)
and common/imatrix-loader.cpp; what the quantizer makes of them: tools/quantize/quantize.cpp (load_imatrix).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convert.errors import ConvertError
from convert.gguf_in import GgufHeader, read_gguf
from convert.tensors import Array, Metadata, Shape

DATASETS, CHUNK_COUNT, CHUNK_SIZE = "imatrix.datasets", "imatrix.chunk_count", "imatrix.chunk_size"
SUMS, COUNTS = ".in_sum2", ".counts"
LARGEST_DAT = 1 << 30  # bytes; that of a 70B model has some 25 MB


@dataclass(frozen=True)
class Importance:
    """The weight of each column by tensor, the texts it was made from, and how many chunks of them were read."""

    path: Path
    weights: Mapping[str, Array]
    datasets: tuple[str, ...]
    chunks: int

    def of(self, name: str, shape: Shape) -> Array | None:
        """Return the weights (columns) for the tensor `name` of `shape` (rows first), None when there are none.

        Raises ConvertError when they are for another size; for the token embedding they are passed over then, as
        llama.cpp does.
        """
        weights = self.weights.get(name)
        if weights is None or weights.size == shape[-1]:
            return weights
        if name == "token_embd.weight":
            return None
        raise ConvertError(
            f"{self.path} has {weights.size} columns for {name}, which has {shape[-1]}; it was made from another model."
        )

    def check_fits(self, names: Iterable[str]) -> None:
        """Raise ConvertError when it knows none of the tensors `names`."""
        if not self.weights.keys() & set(names):
            raise ConvertError(f"{self.path} knows none of this model's tensors; it was made from another model.")

    @property
    def metadata(self) -> Metadata:
        """What llama.cpp's quantizer writes about it; of paths the file's name alone."""
        entries: Metadata = {"quantize.imatrix.file": self.path.name}
        if self.datasets:
            entries["quantize.imatrix.dataset"] = Path(self.datasets[0]).name
        entries["quantize.imatrix.entries_count"] = len(self.weights)
        if self.chunks > 0:
            entries["quantize.imatrix.chunks_count"] = self.chunks
        return entries


def read_importance(path: Path) -> Importance:
    """Return the importance matrix at `path`, in either format. Raises ConvertError when it is none."""
    try:
        with path.open("rb") as file:
            is_gguf = file.read(4) == b"GGUF"
    except OSError as error:
        raise ConvertError(f"{path} cannot be read ({error.strerror}).") from error
    importance = _from_gguf(read_gguf(path)) if is_gguf else _from_dat(path)
    for name, weights in importance.weights.items():
        if not np.isfinite(weights).all():
            raise ConvertError(f"{path} holds values for {name} that are not numbers.")
    return importance


def _from_gguf(header: GgufHeader) -> Importance:
    if not {DATASETS, CHUNK_COUNT, CHUNK_SIZE} <= header.metadata.keys():
        raise ConvertError(f"{header.path} is a GGUF file, but no importance matrix.")
    names = sorted({name.removesuffix(SUMS).removesuffix(COUNTS) for name in header.tensors})
    weights = {}
    for name in names:
        if not {name + SUMS, name + COUNTS} <= header.tensors.keys():
            raise ConvertError(f"{header.path} has sums without counts, or counts without sums, for {name}.")
        parts = [header.tensors[name + end] for end in (SUMS, COUNTS)]
        if any(part.type.name != "F32" for part in parts) or parts[1].size != 4:
            raise ConvertError(f"{header.path} holds {name} in a form that is not understood; is it of experts?")
        sums, counts = (header.read(part.name).view("<f4").astype(np.float32) for part in parts)
        # As the quantizer does it: the count rounded to a whole number, and all alike where nothing was seen.
        count = np.float32(np.rint(counts[0])) if np.isfinite(counts[0]) else np.float32(0)
        weights[name] = sums / count if count > 0 else np.ones_like(sums)
    if not weights:
        raise ConvertError(f"{header.path} is an importance matrix without entries.")
    datasets = header.metadata[DATASETS]
    known = tuple(datasets) if isinstance(datasets, list) else ()
    return Importance(header.path, weights, known, header.count(CHUNK_COUNT))


def _from_dat(path: Path) -> Importance:
    """Read a .dat file: a count, then name, calls and sums of each tensor, then calls and the text's name."""
    if path.stat().st_size > LARGEST_DAT:
        raise ConvertError(f"{path} is too large for an importance matrix.")
    dat = _Dat(path.read_bytes())
    weights: dict[str, Array] = {}
    try:
        for _ in range(dat.number()):
            name = dat.raw(dat.number()).decode("utf-8")
            calls, length = dat.number(), dat.number()
            sums = np.frombuffer(dat.raw(4 * length), "<f4").astype(np.float32)
            weights[name] = sums / np.float32(calls) if calls > 0 else sums
        chunks = 0 if dat.at_end else dat.number()
        dataset = "" if dat.at_end else dat.raw(dat.number()).decode("utf-8")
    except ValueError as error:
        raise ConvertError(f"{path} is neither an importance matrix in GGUF nor one in the .dat format.") from error
    if not weights or any(not weight.size for weight in weights.values()):
        raise ConvertError(f"{path} is an importance matrix without entries.")
    return Importance(path, weights, (dataset,) if dataset else (), chunks)


class _Dat:
    """A place in a .dat file; raises ValueError where it ends."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    @property
    def at_end(self) -> bool:
        return self._place == len(self._data)

    def number(self) -> int:
        return int.from_bytes(self.raw(4), "little", signed=True)

    def raw(self, size: int) -> bytes:
        if not 0 <= size <= len(self._data) - self._place:
            raise ValueError(size)
        self._place += size
        return self._data[self._place - size : self._place]
