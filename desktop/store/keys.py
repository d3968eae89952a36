"""The vault's key: made once, kept behind one small interface. Never in the database, never in a log.

`key` holds the 32 bytes. `keys.json` holds a check of them (HMAC-SHA256 over a fixed text), so
that a wrong key and a damaged journal are told apart; it is written last, once the journal stands, and so
also tells a finished first start from one that was cut short.
"""

import hashlib
import hmac
import json
import os
import secrets
from pathlib import Path
from typing import Protocol

from desktop.errors import UserError

KEY_BYTES = 32


class KeySource(Protocol):
    """Whatever can hand over the 32 bytes that open the vault."""

    def create(self) -> bytes:
        """Makes and keeps a new key. Raises OSError if it cannot be kept."""
        ...

    def read(self) -> bytes:
        """The key. Raises UserError if it is missing, damaged or the wrong one."""
        ...

    def seal(self, key: bytes) -> None:
        """Marks the vault as finished and keeps the check of its key."""
        ...

    @property
    def sealed(self) -> bool:
        """Whether this vault was ever finished."""
        ...


class KeyFile:
    """The key in a file beside the journal, readable by its owner alone."""

    def __init__(self, folder: Path) -> None:
        self._key = folder / "key"
        self._seal = folder / "keys.json"

    @property
    def sealed(self) -> bool:
        """Whether this vault was ever finished."""
        return self._seal.exists()

    def create(self) -> bytes:
        """Makes a new key, mode 0600 and on the disk before this returns. Raises OSError."""
        key = secrets.token_bytes(KEY_BYTES)
        _write_private(self._key, key)
        return key

    def seal(self, key: bytes) -> None:
        """Marks the vault as finished and keeps the check of its key. Raises OSError."""
        _write_private(self._seal, json.dumps({"format": 1, "check": _check(key)}).encode("ascii"))

    def read(self) -> bytes:
        """The key, checked if the vault is sealed. Raises UserError: key_missing, key_damaged, key_wrong."""
        if not self._key.exists():
            raise UserError("key_missing", path=str(self._key))
        try:
            key = self._key.read_bytes()
            check = json.loads(self._seal.read_text("ascii"))["check"] if self.sealed else _check(key)
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise UserError("key_damaged", path=str(self._key)) from error
        if len(key) != KEY_BYTES or not isinstance(check, str):
            raise UserError("key_damaged", path=str(self._key))
        if not hmac.compare_digest(check.encode(), _check(key).encode()):
            raise UserError("key_wrong", path=str(self._key))
        return key


def _check(key: bytes) -> str:
    return hmac.new(key, b"quietroom key check 1", hashlib.sha256).hexdigest()


def _write_private(path: Path, content: bytes) -> None:
    """Writes beside and renames, so that a kill leaves the whole file or none."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable. A no-op where folders cannot be opened (Windows)."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
