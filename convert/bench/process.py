"""Runs one thing to be measured as a process of its own; never more than one at a time."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from convert.errors import ConvertError


@dataclass(frozen=True)
class Cost:
    """What a process took: seconds, processor seconds, peak bytes resident (mapped pages included), bytes written.

    The kernel counts the peak from before the program was loaded: it is never below what this process has itself.
    """

    seconds: float
    processor: float
    memory: int
    written: int

    @property
    def cores(self) -> float:
        """How many cores it kept busy on average."""
        return self.processor / self.seconds

    def __add__(self, other: "Cost") -> "Cost":
        """One after the other."""
        return Cost(
            self.seconds + other.seconds,
            self.processor + other.processor,
            max(self.memory, other.memory),
            self.written + other.written,
        )


def measure(command: Sequence[object]) -> Cost:
    """Run a command to its end and return its cost, as the kernel accounts for it. Raises ConvertError."""
    if sys.platform == "win32":
        raise ConvertError("bench needs Linux or macOS: nothing else tells what a process took.")
    start = perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr
    with process.stderr:
        said = process.stderr.read().decode(errors="replace").strip()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        last = said.splitlines()[-1] if said else "nothing was said"
        raise ConvertError(f"{command[0]} failed with code {process.returncode}: {last}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit, usage.ru_oublock * 512)
