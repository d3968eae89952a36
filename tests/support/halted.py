"""A conversion that stops in the middle by itself: no sleeping, no luck.

362 tensors are told into a pipe that holds some 50 lines, for as long as nobody reads.
"""

import fcntl
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from support.tiny_model import Shape

DEEP = Shape(layers=40, width=32, inner=32, heads=2, kv_heads=1)


def start_and_stop_midway(
    module: Sequence[str], deep: Path, out: Path, recipe: str = "F32"
) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    """Start a conversion and return it, with its stderr, once it has written a tensor and cannot go on."""
    process = subprocess.Popen(
        [*module, "gguf", str(deep), "--type", recipe, "--out", str(out), "--progress", "json", "--overwrite"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
    )  # fmt: skip
    assert process.stderr is not None
    fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 4096)
    while b'"wrote"' not in (line := process.stderr.readline()):
        assert line, process.communicate()
    return process, process.stderr
