"""A child process: loads a GGUF with llama.cpp, lets it answer, and says so in one line of JSON; never checks it.

`python -m convert.trial FILE THREADS` writes {"done": what it did} or {"error": a sentence}. If llama.cpp ends the
process, there is no line and the exit code says so.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np

from convert.errors import ConvertError
from convert.gguf_in import read_gguf
from convert.llama import Llama

TEXT = "I feel a little tired today, and"
CONTEXT, WRITTEN = 64, 8


def main() -> int:
    """Try the file named on the command line; return the exit code."""
    # llama.cpp prints to the first descriptor, which belongs to the one line.
    told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    path, threads = Path(sys.argv[1]), int(sys.argv[2])
    try:
        line = {"done": attempt(path, threads)}
    except ConvertError as error:
        line = {"error": str(error)}
    told.write(json.dumps(line) + "\n")
    told.flush()
    return 0


def attempt(path: Path, threads: int) -> str:
    """Return what the model at `path` did with a text. Raises ConvertError when it did nothing of use."""
    header = read_gguf(path)
    with Llama(path, CONTEXT, threads, embedding=header.embeds) as llama:
        tokens = llama.tokens(TEXT)[: CONTEXT - WRITTEN]
        if header.embeds:
            values = llama.embedding(tokens)
            if not np.isfinite(values).all() or not values.any():
                raise ConvertError(f"{path} computes an embedding that is no direction.")
            return f"loads it and embeds a text in {values.size} numbers"
        written = llama.answer(tokens, WRITTEN)
        return f"loads it and writes {llama.text(written)!r} after {TEXT!r}"


if __name__ == "__main__":
    sys.exit(main())
