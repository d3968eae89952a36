"""Measures how well files stand for the model they were made from, all of them in step; never stores a logit.

Text is cut, begun and scored as llama.cpp's perplexity tool does it: chunks of `context` tokens, the second half of
each counts, so that every scored token has some text before it.
"""

import hashlib
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convert.errors import ConvertError
from convert.gguf_in import GgufHeader, read_gguf
from convert.json_file import Json
from convert.llama import Llama, version
from convert.plot import Point, draw
from convert.progress import Progress
from convert.provenance import BASE_PRECISION
from convert.quality import Agreement, Estimate, Tally
from convert.quant.recipes import recipe_of
from convert.tensors import Array
from convert.text_chunks import read_text, text_chunks

CONTEXT = 512
WRITTEN = 32  # tokens that are read one by one, as a model does that writes


@dataclass(frozen=True)
class Request:
    """What is to be measured: files, maybe a reference, on which text; `most` chunks of `context` tokens.

    `adapter` is a GGUF that llama.cpp adds to the reference unmerged.
    """

    files: tuple[Path, ...]
    reference: Path | None
    text: Path
    threads: int
    context: int = CONTEXT
    most: int | None = None
    adapter: Path | None = None


@dataclass(frozen=True)
class Measured:
    """One file: its kind, what its base was rounded to, bytes, perplexity, speed, and agreement with a reference.

    The speeds are tokens per second, read and written.
    """

    path: Path
    kind: str
    base: str
    size: int
    perplexity: Estimate
    reading: float
    writing: float
    agreement: Agreement | None


@dataclass(frozen=True)
class Measurement:
    """All files on one text: `scored` tokens of `chunks` chunks counted."""

    request: Request
    text_sha256: str
    chunks: int
    scored: int
    reference: Measured | None
    files: tuple[Measured, ...]


class _Runner:
    """One loaded file with its tally and the time it took."""

    def __init__(self, header: GgufHeader, llama: Llama) -> None:
        self.header, self.llama = header, llama
        self.tally = Tally()
        self.logits: Array = np.empty((0, llama.size), np.float32)
        self._seconds = 0.0
        self._tokens = 0

    def measured(self, reference: "_Runner | None", chunk: Sequence[int]) -> Measured:
        """Return all that is known, having timed the model at the second half of `chunk`, token by token."""
        half = len(chunk) // 2
        self.llama.logits(chunk[:half], half - 1)
        steps = chunk[half : half + WRITTEN]
        begun = time.perf_counter()
        for place, token in enumerate(steps, half):
            self.llama.next_logits(token, place)
        writing = len(steps) / (time.perf_counter() - begun)
        return Measured(
            self.header.path,
            kind(self.header),
            base_precision(self.header),
            self.header.path.stat().st_size,
            self.tally.perplexity(),
            self._tokens / self._seconds,
            writing,
            self.tally.agreement(reference.tally) if reference else None,
        )

    def score(self, chunk: Sequence[int], reference: "_Runner | None") -> None:
        """Read `chunk` and count its second half. The reference must have read the same chunk just before."""
        first = len(chunk) // 2
        begun = time.perf_counter()
        self.logits = self.llama.logits(chunk, first)
        self._seconds += time.perf_counter() - begun
        self._tokens += len(chunk)
        theirs = reference.logits[:-1] if reference else None
        self.tally.add(self.logits[:-1], chunk[first + 1 :], theirs)


def measure(request: Request, progress: Progress) -> Measurement:
    """Return how good the files are. Raises ConvertError when one is damaged or they do not fit together."""
    headers = [read_gguf(path) for path in request.files]
    if request.adapter:
        read_gguf(request.adapter)
    with ExitStack() as stack:

        def load(header: GgufHeader) -> _Runner:
            check_writes_text(header)
            return _Runner(header, stack.enter_context(Llama(header.path, request.context, request.threads)))

        reference = load(read_gguf(request.reference)) if request.reference else None
        if reference and request.adapter:
            reference.llama.add_adapter(request.adapter)
        runners = [load(header) for header in headers]
        text = read_text(request.text)
        tokens = runners[0].llama.tokens(text)
        for other in [*runners, *([reference] if reference else [])]:
            if other.llama.size != runners[0].llama.size or other.llama.tokens(text) != tokens:
                raise ConvertError(f"{other.header.path} cuts the text into other tokens than {request.files[0]}.")
        chunks = text_chunks(tokens, runners[0].llama.first_token, request.context, request.most, request.text)
        progress.started(len(chunks))
        try:
            for number, chunk in enumerate(chunks):
                if reference:
                    reference.score(chunk, None)
                for runner in runners:
                    runner.score(chunk, reference)
                progress.wrote(f"chunk {number + 1} of {len(chunks)}", 1)
        finally:
            progress.ended()
        return Measurement(
            request,
            hashlib.sha256(text.encode()).hexdigest(),
            len(chunks),
            len(chunks) * (request.context - 1 - request.context // 2),
            reference.measured(None, chunks[0]) if reference else None,
            tuple(runner.measured(reference, chunks[0]) for runner in runners),
        )


def check_writes_text(header: GgufHeader) -> None:
    """Raise ConvertError for a model that has no next token to be sure or unsure of."""
    if header.embeds:
        raise ConvertError(f"{header.path} makes embeddings; only a model that writes text has a perplexity.")


def kind(header: GgufHeader) -> str:
    """Return the name of a file's type, or ? when it is none of ours."""
    recipe = recipe_of(header.count("general.file_type"))
    return recipe.name if recipe else "?"


def base_precision(header: GgufHeader) -> str:
    """Return what the file says its base was rounded to before anything was added, or as-is."""
    return header.text(BASE_PRECISION) or "as-is"


def table(measurement: Measurement) -> str:
    """Return the measurement as one table to read."""
    rows = [("file", "type", "base", "MB", "perplexity", "ratio", "divergence", "same top", "read/s", "write/s")]
    for row in [*([measurement.reference] if measurement.reference else []), *measurement.files]:
        agreement = row.agreement
        far = (
            (
                f"{agreement.ratio.value:.4f} ± {agreement.ratio.error:.4f}",
                f"{agreement.divergence.value:.5f} ± {agreement.divergence.error:.5f}",
                f"{agreement.same_top.value:.2%}",
            )
            if agreement
            else ("", "", "reference" if row is measurement.reference else "")
        )
        perplexity = f"{row.perplexity.value:.4f} ± {row.perplexity.error:.4f}"
        speed = (f"{row.reading:.0f}", f"{row.writing:.1f}")
        rows.append((row.path.name, row.kind, row.base, f"{row.size / 1e6:,.1f}", perplexity, *far, *speed))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    request = measurement.request
    last = f"{measurement.scored:,} tokens of {request.text.name}, {measurement.chunks} chunks of {request.context}."
    if request.reference and request.adapter:
        last += f" The reference is {request.reference.name} with {request.adapter.name} added unmerged."
    return "\n".join([*lines, last, ""])


def as_json(measurement: Measurement) -> Json:
    """Return the measurement as a JSON object; paths as names alone."""
    request = measurement.request
    return {
        "text": {"name": request.text.name, "sha256": measurement.text_sha256},
        "context": request.context,
        "chunks": measurement.chunks,
        "scored_tokens": measurement.scored,
        "threads": request.threads,
        "llama_cpp_python": version(),
        "reference": _row(measurement.reference) if measurement.reference else None,
        "reference_adapter": request.adapter.name if request.adapter else None,
        "files": [_row(row) for row in measurement.files],
    }


def plot(measurement: Measurement) -> str:
    """Return the measurement as an SVG: divergence from the reference, or else perplexity, against size."""
    points = [
        Point(row.kind, row.size / 1e6, row.agreement.divergence.value if row.agreement else row.perplexity.value)
        for row in measurement.files
    ]
    up = "mean divergence from the reference (nats)" if measurement.reference else "perplexity"
    return draw(f"Quality against size, {measurement.request.text.name}", "size (MB)", up, points)


def _row(row: Measured) -> Json:
    entry: Json = {
        "name": row.path.name,
        "type": row.kind,
        "base_precision": row.base,
        "bytes": row.size,
        "perplexity": vars(row.perplexity),
        "tokens_read_per_second": row.reading,
        "tokens_written_per_second": row.writing,
    }
    if row.agreement:
        entry |= {
            key: vars(value) if isinstance(value, Estimate) else value for key, value in vars(row.agreement).items()
        }
    return entry
