"""The kernel's lock on an open file, gone with the process that holds it; never waits."""

import sys
from typing import BinaryIO

if sys.platform == "win32":
    import msvcrt

    FAR = 1 << 62  # a byte that no file has: what others may write is not touched by locking it

    def lock(file: BinaryIO) -> bool:
        """Lock `file` and return True, or False when another process holds it."""
        file.seek(FAR)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def lock(file: BinaryIO) -> bool:
        """Lock `file` and return True, or False when another process holds it."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
