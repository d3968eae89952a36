"""Runs a verb in a child process, so that where llama.cpp ends the process, ours can say so; never reads its output.

The child has our stdout and stderr, but what C code prints goes nowhere. It is in a session of its own, so that Ctrl-C
is heard here alone, and it ends when its stdin does: with us, however we end.
"""

import os
import subprocess
import sys
from collections.abc import Collection, Sequence
from threading import Thread

from convert.errors import ConvertError

CHILD = (
    "import sys; from convert.apart import become_child; become_child(); "
    "from convert.cli import main; sys.exit(main(sys.argv[1:], within=True))"
)
BUG = 1  # a traceback has been shown
GRACE = 5.0  # seconds to leave through every `with`


def run_apart(arguments: Sequence[str], codes: Collection[int]) -> int:
    """Run the command line `arguments` in a child; return its exit code, one of `codes`. Raises ConvertError."""
    command = [sys.executable, "-P", "-c", CHILD, *arguments]
    environment = os.environ | {"GGML_NO_BACKTRACE": "1"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, start_new_session=True) as process:
        try:
            code = process.wait()
        except BaseException:
            _end(process)
            raise
    if code not in codes and code != BUG:
        raise ConvertError(
            f"llama.cpp ended with code {code}; nothing was written. The file may be damaged (`verify` tells), or "
            "there was too little memory for it."
        )
    return code


def become_child() -> None:
    """Keep stdout and stderr to Python's own words, and end when stdin ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for name, number in (("stdout", 1), ("stderr", 2)):
        setattr(sys, name, os.fdopen(os.dup(number), "w", encoding="utf-8", errors="backslashreplace"))
        os.dup2(nowhere, number)
    Thread(target=_end_with_stdin, daemon=True).start()


def _end_with_stdin() -> None:
    while os.read(0, 1):
        pass
    os._exit(BUG)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:  # in the middle of a long computation
        process.kill()
