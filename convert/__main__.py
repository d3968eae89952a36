"""`quietroom-convert` and `python -m convert`; never more than the door to the command line."""

import os
import sys

# One thread in the arithmetic of each of ours; to be said before numpy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def main() -> int:
    """Run the command line and return the exit code."""
    try:
        from convert import cli

        return cli.main()
    except KeyboardInterrupt:
        # Ctrl-C while numpy is still being loaded.
        return 130


if __name__ == "__main__":
    sys.exit(main())
