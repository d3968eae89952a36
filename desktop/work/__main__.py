"""The work child's loop: one job in, one outcome out. The key comes over stdin, never as an argument."""

import json
import os
import signal
import sys
import threading
from pathlib import Path

from desktop.errors import UserError
from desktop.work import jobs


def main() -> None:
    """Does the one job on stdin; leaves at once if the parent goes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    events = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    request = json.loads(sys.stdin.buffer.readline())
    watch = threading.Thread(target=_leave_with_parent, daemon=True)
    watch.start()
    try:
        out = Path(request["out"])
        jobs.export(
            Path(request["folder"]),
            request["format"],
            out,
            overwrite=request["overwrite"],
            key=bytes.fromhex(request["key"]),
        )
        outcome: dict[str, object] = {"event": "exported", "path": str(out)}
    except UserError as error:
        outcome = {"event": "failed", "code": error.code, "details": error.details}
    events.write(json.dumps(outcome).encode("ascii") + b"\n")
    events.flush()
    watch.join()


def _leave_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
