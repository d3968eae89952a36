"""`quietroom-convert` and `python -m convert`; never more than the door to the command line."""

import ctypes
import os
import sys

# One thread in the arithmetic of each of ours; to be said before numpy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def main() -> int:
    """Run the command line and return the exit code."""
    try:
        _keep_freed_memory()
        from convert import cli

        return cli.main()
    except KeyboardInterrupt:
        # Ctrl-C while numpy is still being loaded.
        return 130


def _keep_freed_memory() -> None:
    """Tell glibc to keep what a block frees for the next one: handing it back costs a fifth of an F16 run.

    The numbers are M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of malloc.h; other systems are left as they are.
    """
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        library.mallopt(-3, 1 << 26)
        library.mallopt(-1, 1 << 29)


if __name__ == "__main__":
    sys.exit(main())
