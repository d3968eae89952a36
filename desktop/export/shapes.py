"""What a format is given and gives. Never knows of any one format."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from desktop.carried import Belongings

Files: TypeAlias = Iterator[tuple[str, Iterable[bytes]]]
"""(relative name, its bytes piece by piece); each file is taken whole before the next one is asked for."""


class Shape(StrEnum):
    """How the files of a format lie: one file alone, a folder, or all in one archive."""

    FILE = "file"
    FOLDER = "folder"
    ZIP = "zip"
    TAR = "tar"


@dataclass(frozen=True)
class Format:
    """One row of FORMATS. `left_out` names the sentence that says what the format does not hold."""

    files: Callable[[Belongings], Files]
    ending: str
    shape: Shape
    left_out: str
