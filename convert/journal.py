"""Remembers beside an unfinished file which of its tensors are whole; never trusted without reading them again.

One JSON object a line: first {"job"}, then {"tensor", "sha256"} for each tensor. A line that was cut short by a
kill counts as not written.
"""

import json
from collections.abc import Mapping
from pathlib import Path


class Journal:
    """The journal of one job, `job` being a text that only the same inputs and settings give again.

    Raises OSError when the disk fails.
    """

    def __init__(self, path: Path, job: str) -> None:
        self._path = path
        self._job = job

    def read(self) -> Mapping[str, bytes]:
        """Return the SHA-256 of the tensors that were finished, by name; none when the job was another one."""
        if not self._path.is_file():
            return {}
        lines = [_parsed(line) for line in self._path.read_bytes().splitlines()]
        if not lines or lines[0].get("job") != self._job:
            return {}
        return {line["tensor"]: bytes.fromhex(line["sha256"]) for line in lines[1:] if line.keys() == _FIELDS}

    def start(self, finished: Mapping[str, bytes]) -> None:
        """Begin anew with the tensors that are still good."""
        self._path.write_bytes(_line({"job": self._job}))
        for name, digest in finished.items():
            self.add(name, digest)

    def add(self, name: str, digest: bytes) -> None:
        """Note that the tensor `name` is in the file."""
        with self._path.open("ab", buffering=0) as file:
            file.write(_line({"tensor": name, "sha256": digest.hex()}))


_FIELDS = {"tensor", "sha256"}


def _line(entry: dict[str, str]) -> bytes:
    return json.dumps(entry).encode() + b"\n"


def _parsed(line: bytes) -> dict[str, str]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) and all(isinstance(value, str) for value in entry.values()) else {}
