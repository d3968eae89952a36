"""What happens when we made a mistake. Never writes a value down, only where and of what kind."""

import os
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType

from desktop import paths


def install_excepthook(tell: Callable[[], None]) -> None:
    """For bugs: a log that holds where and what kind, never values, and one calm word to the person."""

    def hook(kind: type[BaseException], _error: BaseException, trace: TracebackType | None) -> None:
        log = paths.log_file()
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        frames = "".join(f"  {f.filename}:{f.lineno} {f.name}\n" for f in traceback.extract_tb(trace))
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{datetime.now(UTC).isoformat()} {kind.__name__}\n{frames}")
        tell()

    sys.excepthook = hook
