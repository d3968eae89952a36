"""`quietroom-convert` and `python -m convert`; never more than the door to the command line."""

import sys


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
