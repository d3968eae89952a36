"""A child process that speaks one JSON object per line. Never knows what a message means."""

import json
import sys
from typing import Any

from PySide6.QtCore import QObject, QProcess, Signal

# Far above any message of ours; a child that sends more without a line end is broken.
LONGEST_LINE = 64 * 1024 * 1024


class JsonProcess(QObject):
    """Runs `python -m module` and frames its lines.

    `received` carries each object; `ended` comes exactly once for each start that was not closed by us,
    whether the child crashed, was killed, left, could not be started or sent something that is no JSON object.
    """

    received = Signal(dict)
    ended = Signal()

    def __init__(self, module: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._module = module
        self._process: QProcess | None = None
        self._buffer = bytearray()

    @property
    def is_running(self) -> bool:
        """Whether a child is there to be spoken to."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """The child's process id, 0 if there is none."""
        return self._process.processId() if self._process else 0

    def start(self) -> None:
        """Starts the child; returns at once."""
        process = QProcess(self)
        process.setProgram(sys.executable)
        process.setArguments(["-P", "-m", self._module])
        # What C libraries print is of no use to the person and must not mix with our own lines.
        process.setStandardErrorFile(QProcess.nullDevice())
        process.readyReadStandardOutput.connect(self._read)
        process.finished.connect(self._lost)
        process.errorOccurred.connect(self._failed)
        self._buffer.clear()
        self._process = process
        process.start()

    def send(self, message: dict[str, Any]) -> None:
        """Writes one line; Qt keeps it until the child has read it."""
        if self._process:
            self._process.write(json.dumps(message).encode("ascii") + b"\n")

    def close(self) -> None:
        """Ends the child now, without `ended`."""
        process, self._process = self._process, None
        if process:
            process.blockSignals(True)
            process.kill()
            process.waitForFinished(2000)
            process.deleteLater()

    def _read(self) -> None:
        if not self._process:
            return
        self._buffer += self._process.readAllStandardOutput().data()
        *lines, rest = self._buffer.split(b"\n")
        self._buffer = bytearray(rest)
        process = self._process
        for line in lines:
            try:
                message = json.loads(line)
            except ValueError:
                message = None
            if not isinstance(message, dict):
                self._lost()
                return
            self.received.emit(message)
            if self._process is not process:
                return
        if len(rest) > LONGEST_LINE:
            self._lost()

    def _failed(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._lost()

    def _lost(self) -> None:
        if self._process:
            self.close()
            self.ended.emit()
