"""Options that several commands share, and what they mean. Never acts."""

import argparse
from pathlib import Path
from typing import Any, TypeAlias

from desktop import paths
from desktop.verbs.asker import Asker

Commands: TypeAlias = "argparse._SubParsersAction[Any]"


def add_folder(*parsers: argparse.ArgumentParser) -> None:
    """Where the journal lies and what opens it."""
    for parser in parsers:
        parser.add_argument(
            "--data-dir", type=Path, metavar="FOLDER", default=argparse.SUPPRESS, help="where the journal lies"
        )
        parser.add_argument(
            "--passphrase-file",
            type=Path,
            metavar="FILE",
            default=argparse.SUPPRESS,
            help="its first line is the passphrase",
        )


def folder_of(arguments: argparse.Namespace) -> Path:
    """The data folder that was named, or the person's own."""
    return arguments.data_dir or paths.data_folder()


def asker_of(arguments: argparse.Namespace) -> Asker:
    """Where the passphrase comes from."""
    return Asker(arguments.passphrase_file)


def gauge(text: str) -> int:
    """A number of the check-in. Raises ArgumentTypeError."""
    if not text.isdecimal() or not 0 <= int(text) <= 10:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 to 10")
    return int(text)
