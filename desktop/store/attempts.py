"""How long a guess has to wait after wrong ones. Never erases anything, never reads the clock itself."""

import json
from pathlib import Path

from desktop.store.files import write_private

FILE = "attempts.json"
FREE = 2
LONGEST_S = 60.0


def wait_s(folder: Path, now: float) -> float:
    """Seconds until the next guess may be tried; `now` in seconds since 1970. A clock set back frees nobody."""
    failures, last = _read(folder)
    if failures <= FREE:
        return 0.0
    due = min(2.0 ** (failures - FREE), LONGEST_S)
    return max(due - max(now - last, 0.0), 0.0)


def count_failure(folder: Path, now: float) -> None:
    """Remembers a wrong guess. Raises OSError."""
    failures, _ = _read(folder)
    write_private(folder / FILE, json.dumps({"failures": failures + 1, "at": now}).encode("ascii"))


def forget(folder: Path) -> None:
    """After a right one."""
    (folder / FILE).unlink(missing_ok=True)


def _read(folder: Path) -> tuple[int, float]:
    """How many guesses were wrong in a row, and when the last one was; none where nothing readable is kept."""
    try:
        kept = json.loads((folder / FILE).read_text("ascii"))
        return int(kept["failures"]), float(kept["at"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0, 0.0
