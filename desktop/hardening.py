"""Keeps what our processes hold out of core dumps. Never fails: where a system has no such thing, nothing is done."""

import contextlib
import ctypes
import sys

# prctl(2), linux/prctl.h
_PR_SET_DUMPABLE = 4


def keep_out_of_dumps() -> None:
    """No core dump of this process, and on Linux nobody but root may attach to it or read its memory."""
    if sys.platform == "win32":
        return
    import resource

    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
