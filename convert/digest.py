"""SHA-256 of data whose pieces arrive in any order and from several threads; never waits for a missing piece."""

import hashlib
from pathlib import Path
from threading import Lock

from convert.errors import ConvertError
from convert.tensors import Bytes


class Digest:
    """The hash of `size` bytes. Whoever brings the piece that was missing hashes all that can follow it."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._hash = hashlib.sha256()
        self._hashed = 0
        self._waiting: dict[int, Bytes] = {}
        self._busy = False
        self._lock = Lock()

    def add(self, position: int, piece: Bytes) -> bool:
        """Take the bytes at `position`, not to be changed any more; return whether they completed the hash.

        Raises ValueError when they lie outside or were there before.
        """
        with self._lock:
            if position in self._waiting or not self._hashed <= position <= self._size - piece.nbytes:
                raise ValueError(f"{piece.nbytes} bytes at {position} of {self._size} do not belong there")
            self._waiting[position] = piece
            if self._busy:
                # The thread that is hashing finds this piece when its own is done.
                return False
            self._busy = True
        return self._hash_what_follows()

    def digest(self) -> bytes:
        """Return the hash. Raises ValueError when pieces are missing."""
        if self._hashed != self._size:
            raise ValueError(f"{self._size - self._hashed} bytes were never hashed")
        return self._hash.digest()

    def _hash_what_follows(self) -> bool:
        while True:
            with self._lock:
                piece = self._waiting.pop(self._hashed, None)
                if piece is None:
                    self._busy = False
                    return self._hashed == self._size
            self._hash.update(piece.data)
            with self._lock:
                self._hashed += piece.nbytes


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file in hex. Raises ConvertError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConvertError(f"{path} cannot be read ({error.strerror}).") from error
