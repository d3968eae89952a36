"""Writes a text that a person asked for as a file; never over another one unasked."""

import os
from pathlib import Path

from convert.errors import ConvertError


def check_place(path: Path, *, overwrite: bool) -> None:
    """Check, before long work, that a file may be made at `path`. Raises ConvertError."""
    if path.exists() and not overwrite:
        raise ConvertError(f"{path} exists already; add --overwrite to replace it.")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise ConvertError(f"No file can be made at {path}; name one in a folder that exists.")


def write_text(path: Path, text: str) -> None:
    """Write `text` in UTF-8, whole or not at all. Raises ConvertError when the disk does not take it."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise ConvertError(f"{path} could not be written ({error.strerror}).") from error
