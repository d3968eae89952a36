"""Tells how far a conversion is, on stderr; never says anything on stdout."""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Protocol, TextIO


class Progress(Protocol):
    """What a conversion tells on its way."""

    def started(self, total: int) -> None:
        """The plan is made; `total` bytes of tensors will be written."""

    def wrote(self, name: str, size: int) -> None:
        """The tensor `name` of `size` bytes is in the file."""

    def checking(self) -> None:
        """All is written, and is put on the disk and read back now."""

    def ended(self) -> None:
        """Nothing more will be reported, whether all went well or not."""


class Silent:
    """Reports nothing."""

    def started(self, total: int) -> None:
        """Say nothing."""

    def wrote(self, name: str, size: int) -> None:
        """Say nothing."""

    def checking(self) -> None:
        """Say nothing."""

    def ended(self) -> None:
        """Say nothing."""


class Bar:
    """Draws one line that is wiped at the end; draws nothing when stderr is not a terminal."""

    WIDTH = 30

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._visible = stream.isatty()
        self._total = 0
        self._done = 0

    def started(self, total: int) -> None:
        """Draw the empty bar."""
        self._total = total
        self._draw("")

    def wrote(self, name: str, size: int) -> None:
        """Grow the bar and name the tensor."""
        self._done += size
        self._draw(name)

    def checking(self) -> None:
        """Say so in the place of a tensor."""
        self._draw("reading back")

    def ended(self) -> None:
        """Wipe the line."""
        if self._visible:
            self._stream.write("\r\033[K")
            self._stream.flush()

    def _draw(self, name: str) -> None:
        if self._visible:
            share = self._done / self._total
            filled = int(share * self.WIDTH)
            self._stream.write(f"\r\033[K[{'#' * filled:<{self.WIDTH}}] {share:4.0%} {name}")
            self._stream.flush()


class JsonLines:
    """Writes one JSON object per line: {"event": started, wrote or checking, "done", "total", maybe "tensor"}."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._total = 0
        self._done = 0

    def started(self, total: int) -> None:
        """Write the started event."""
        self._total = total
        self._line({"event": "started"})

    def wrote(self, name: str, size: int) -> None:
        """Write one wrote event."""
        self._done += size
        self._line({"event": "wrote", "tensor": name})

    def checking(self) -> None:
        """Write the checking event."""
        self._line({"event": "checking"})

    def ended(self) -> None:
        """Write nothing: how it ended is for the exit code to say."""

    def _line(self, event: dict[str, str]) -> None:
        self._stream.write(json.dumps({**event, "done": self._done, "total": self._total}) + "\n")
        self._stream.flush()


PROGRESS: Mapping[str, Callable[[], Progress]] = {
    "bar": lambda: Bar(sys.stderr),
    "json": lambda: JsonLines(sys.stderr),
    "none": Silent,
}
