"""Makes an importance matrix from text: which columns of a weight meet large values; never changes a model.

For each weight of a layer, the squares of the values that come in are summed by column over all tokens of the text
(in float64; llama.cpp's tool sums in float32), with the number of tokens. Text is read as that tool reads it: cut
into chunks of `context` tokens, each begun afresh with the token that the model wants before a text; what does not
fill a chunk is left out; the output head is left out. Source: llama.cpp, tools/imatrix/imatrix.cpp
(collect_imatrix, compute_imatrix).
"""

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convert.errors import ConvertError
from convert.gguf_in import GgufHeader, read_gguf
from convert.gguf_out import GgufFile, declare
from convert.graph import Graph
from convert.importance import CHUNK_COUNT, CHUNK_SIZE, COUNTS, DATASETS, SUMS
from convert.llama import Llama
from convert.progress import Progress
from convert.quant.ggml import library_path
from convert.tensors import Metadata
from convert.text_chunks import read_text, text_chunks

CONTEXT = 512
FEWEST_TOKENS = 16  # of one product; below, llama.cpp's tool takes no notice


@dataclass(frozen=True)
class Collected:
    """What was met: sums of squares (columns) and tokens by weight, and how many chunks were read."""

    sums: Mapping[str, NDArray[np.float64]]
    tokens: Mapping[str, int]
    chunks: int


class _Collector:
    """Adds up what comes in at every product that llama.cpp computes."""

    def __init__(self) -> None:
        self._graph = Graph(ctypes.CDLL(str(library_path())))
        self.sums: dict[str, NDArray[np.float64]] = {}
        self.tokens: dict[str, int] = {}
        self.unreadable = ""

    def watch(self, address: int, ask: bool) -> bool:
        """Take one tensor of the computation, or say whether it is wanted. Must not raise: C calls it."""
        product = self._graph.product(address)
        if product is None or not product.weight.startswith("blk.") or product.tokens < FEWEST_TOKENS:
            return not ask
        if ask:
            return True
        if product.matrices != 1 or not self._graph.is_readable(product):
            self.unreadable = product.weight
            return True
        values = product.incoming()
        squares = np.einsum("ij,ij->j", values, values, dtype=np.float64)
        self.sums[product.weight] = self.sums.get(product.weight, 0) + squares
        self.tokens[product.weight] = self.tokens.get(product.weight, 0) + len(values)
        return True


def collect(
    path: Path, text: Path, progress: Progress, threads: int, context: int = CONTEXT, most: int | None = None
) -> Collected:
    """Return what the model at `path` meets in the file `text`, up to `most` chunks of it. Raises ConvertError."""
    _check_kind(read_gguf(path))
    collector = _Collector()
    with Llama(path, context, threads, collector.watch) as llama:
        chunks = text_chunks(llama.tokens(read_text(text)), llama.first_token, context, most, text)
        progress.started(len(chunks))
        try:
            for number, chunk in enumerate(chunks):
                # All logits are asked for: llama.cpp leaves out the last layer of tokens that nobody asks about.
                llama.logits(chunk, 0)
                progress.wrote(f"chunk {number + 1}", 1)
        finally:
            progress.ended()
    if collector.unreadable:
        raise ConvertError(f"What comes into {collector.unreadable} cannot be read; this model is not supported.")
    if bad := next((name for name, sums in collector.sums.items() if not np.isfinite(sums).all()), None):
        raise ConvertError(f"{path} computes values that are not numbers at {bad}.")
    return Collected(collector.sums, collector.tokens, len(chunks))


def write(collected: Collected, out: Path, dataset: str, context: int = CONTEXT) -> int:
    """Write `collected` as llama.cpp's tool does, and return the file's size. Raises ConvertError."""
    metadata: Metadata = {
        "general.type": "imatrix",
        DATASETS: [dataset],
        CHUNK_COUNT: collected.chunks,
        CHUNK_SIZE: context,
    }
    values = {}
    for name in sorted(collected.sums):
        values[name + SUMS] = collected.sums[name].astype(np.float32)
        values[name + COUNTS] = np.array([collected.tokens[name]], np.float32)
    layout = declare(metadata, ((name, array.shape, 0, array.nbytes) for name, array in values.items()))
    with GgufFile(out, layout) as file:
        for name, array in values.items():
            file.write(name, array.view(np.uint8))
        file.finish()
    return layout.size


def _check_kind(header: GgufHeader) -> None:
    if header.embeds:
        raise ConvertError(f"{header.path} makes embeddings; only models that write text are supported here.")
    if header.count(f"{header.text('general.architecture')}.expert_count"):
        raise ConvertError(f"{header.path} is a mixture of experts, which is not supported here.")
