"""The work child's loop: one job in, one outcome out. Keys and passphrases come over stdin, never as arguments."""

import json
import os
import signal
import sys
import threading

from desktop.errors import UserError
from desktop.hardening import keep_out_of_dumps
from desktop.work.jobs import JOBS


def main() -> None:
    """Does the one job on stdin; leaves at once if the parent goes."""
    keep_out_of_dumps()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    events = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    request = json.loads(sys.stdin.buffer.readline())
    watch = threading.Thread(target=_leave_with_parent, daemon=True)
    watch.start()
    try:
        outcome = {"event": "done", **JOBS[request.pop("do")](**request)}
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
