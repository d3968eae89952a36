"""What every short command writes and reads at the terminal. Never decides anything."""

import sys

from desktop.errors import UserError


def say(words: str) -> None:
    """A sentence for the person, beside what a program may read on stdout."""
    sys.stderr.write(words + "\n")


def stdin_text() -> str:
    """All of stdin as text. Raises UserError("nothing_to_keep") where it is blank."""
    text = sys.stdin.buffer.read().decode("utf-8", "replace").removesuffix("\n")
    if not text.strip():
        raise UserError("nothing_to_keep")
    return text


def print_fields(*fields: str) -> None:
    """One line, its fields apart by tabs, whatever they hold."""
    sys.stdout.write("\t".join(" ".join(field.split()) for field in fields) + "\n")


def moment(time: str) -> str:
    """A UTC text to the minute."""
    return f"{time[:10]} {time[11:16]}Z"
