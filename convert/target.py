"""Whether a file may be made under a name; never writes one."""

import os
from collections.abc import Iterable
from pathlib import Path

from convert.errors import ConvertError


def check_name(out: Path, *, overwrite: bool) -> None:
    """Check that `out` can be made. Raises ConvertError."""
    folder = out.absolute().parent
    if not folder.is_dir():
        raise ConvertError(f"The folder {folder} does not exist.")
    if out.is_dir():
        raise ConvertError(f"{out} is a folder; name a file.")
    if out.exists() and not overwrite:
        raise ConvertError(f"{out} exists already; add --overwrite to replace it.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConvertError(f"The folder {folder} is not writable.")


def check_inputs_kept(out: Path, folders: Iterable[Path]) -> None:
    """Check that `out` does not replace a file in `folders`. Raises ConvertError."""
    if out.exists() and any(path.samefile(out) for folder in folders for path in folder.iterdir() if path.is_file()):
        raise ConvertError(f"{out} is part of the model that is to be converted; choose another name.")
