"""The locks on a vault: its data key, wrapped once for each way to open it. Never the data key itself.

`keys.json` (and its copy, `keys.copy.json`) is one JSON object: `format` 2; `id`, 16 random bytes; `check`, which
tells a right data key from a wrong one; `journal`, the name of the database file under this key; `finished`, whether
the journal ever stood; `locks`, by kind: "file" {"name", "sealed"}, "passphrase" {"salt", "memory_kib", "passes",
"lanes", "sealed"}, "recovery" {"sealed"}, "keyring" {"sealed"}; `sum`, the SHA-256 of all the rest. Bytes are in
hex. Each `sealed` is bound to the vault's id and the lock's kind. The file `name` (`key`, or `key-` and 8 hex digits
after a rekey) holds the 32 bytes that open the lock "file".

Format 1 (the first days) had the data key itself in `key`; it is taken over as it stands, until `rekey`.
"""

import hashlib
import hmac
import json
import os
import secrets
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from desktop.errors import UserError
from desktop.store.files import write_private
from desktop.store.keys import (
    KEY_BYTES,
    SALT_BYTES,
    Cost,
    derive,
    key_check,
    new_key,
    new_recovery_code,
    recovery_key,
    unwrap,
    wrap,
)

FILE, COPY = "keys.json", "keys.copy.json"
FIRST_JOURNAL = "journal.db"


@dataclass(frozen=True)
class Locks:
    """What `keys.json` says. Changes give a new value; `save` makes it the one that counts."""

    id: str
    check: str
    journal: str = FIRST_JOURNAL
    finished: bool = False
    locks: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def new(cls, key: bytes, journal: str = FIRST_JOURNAL) -> "Locks":
        """No lock yet on a new vault with the data key `key`."""
        return cls(secrets.token_hex(16), key_check(key), journal)

    @classmethod
    def read(cls, folder: Path) -> "Locks | None":
        """The locks of the vault in `folder`, out of the copy if need be; None where there are none.

        Raises UserError("key_damaged") when neither file can be read.
        """
        found = [path for name in (FILE, COPY) if (path := folder / name).exists()]
        for path in found:
            if locks := _parse(path):
                return locks
        if found:
            raise UserError("key_damaged", path=str(folder / FILE))
        return None

    def save(self, folder: Path) -> None:
        """Makes these the locks that count, at one moment; the copy follows. Raises OSError."""
        content = asdict(self) | {"format": 2}
        content["sum"] = _sum(content)
        data = json.dumps(content, indent=1).encode("ascii") + b"\n"
        write_private(folder / FILE, data)
        write_private(folder / COPY, data)

    def mend_copy(self, folder: Path) -> None:
        """Writes both files anew where they differ: one was damaged, or a save was cut short. Raises OSError."""
        contents = {path.read_bytes() if path.exists() else b"" for path in (folder / FILE, folder / COPY)}
        if len(contents) > 1:
            self.save(folder)

    @property
    def key_file(self) -> str:
        """The name of the key file, whether or not there is one."""
        return str(self.locks.get("file", {}).get("name", "key"))

    def remove_key_files(self, folder: Path) -> None:
        """Removes the key file, once no lock needs it."""
        (folder / self.key_file).unlink(missing_ok=True)

    def fits(self, key: bytes) -> bool:
        """Whether `key` is this vault's data key."""
        return hmac.compare_digest(self.check, key_check(key))

    def open_by_file(self, folder: Path) -> bytes:
        """The data key by the key file. Raises UserError: passphrase_needed, key_missing, key_damaged, key_wrong."""
        if "file" not in self.locks:
            raise UserError("passphrase_needed", path=str(folder))
        path = folder / self.key_file
        if not path.exists():
            raise UserError("key_missing", path=str(path))
        wrapping = path.read_bytes()
        if len(wrapping) != KEY_BYTES:
            raise UserError("key_damaged", path=str(path))
        sealed = self.locks["file"]["sealed"]
        key = wrapping if sealed == "" else self._unwrap("file", wrapping)
        if key is None or not self.fits(key):
            raise UserError("key_wrong", path=str(path))
        return key

    def open_by_passphrase(self, passphrase: str) -> bytes:
        """The data key by the passphrase. Raises UserError: no_passphrase_lock, passphrase_wrong."""
        lock = self.locks.get("passphrase")
        if lock is None:
            raise UserError("no_passphrase_lock")
        cost = Cost(lock["memory_kib"], lock["passes"], lock["lanes"])
        key = self._unwrap("passphrase", derive(passphrase, bytes.fromhex(lock["salt"]), cost))
        if key is None:
            raise UserError("passphrase_wrong")
        return key

    def open_by_recovery(self, code: str) -> bytes:
        """The data key by the recovery code. Raises UserError: recovery_mistyped, recovery_wrong."""
        wrapping = recovery_key(code)
        key = self._unwrap("recovery", wrapping) if "recovery" in self.locks else None
        if key is None:
            raise UserError("recovery_wrong")
        return key

    def with_file(self, key: bytes, folder: Path) -> "Locks":
        """Adds the lock that a new key file opens, beside any that is there. Raises OSError."""
        name = "key" if self.journal == FIRST_JOURNAL else f"key-{secrets.token_hex(4)}"
        wrapping = new_key()
        write_private(folder / name, wrapping)
        return self._with("file", {"name": name}, wrapping, key)

    def with_passphrase(self, key: bytes, passphrase: str, cost: Cost) -> "Locks":
        """Adds or replaces the lock that the passphrase opens."""
        salt = os.urandom(SALT_BYTES)
        return self._with("passphrase", {"salt": salt.hex(), **asdict(cost)}, derive(passphrase, salt, cost), key)

    def with_recovery(self, key: bytes) -> tuple["Locks", str]:
        """Adds or replaces the lock that a recovery code opens; gives the new code, which is kept nowhere."""
        code = new_recovery_code()
        return self._with("recovery", {}, recovery_key(code), key), code

    def with_keyring(self, key: bytes) -> tuple["Locks", bytes]:
        """Adds or replaces the lock that the system's keyring opens; gives the 32 bytes to be put into it."""
        wrapping = new_key()
        return self._with("keyring", {}, wrapping, key), wrapping

    def open_by_keyring(self, wrapping: bytes) -> bytes | None:
        """The data key by what the keyring holds, or None if that does not belong to this vault."""
        if "keyring" not in self.locks or len(wrapping) != KEY_BYTES:
            return None
        return self._unwrap("keyring", wrapping)

    def without(self, kind: str) -> "Locks":
        """Takes a lock away."""
        return replace(self, locks={name: lock for name, lock in self.locks.items() if name != kind})

    def _with(self, kind: str, about: dict[str, Any], wrapping: bytes, key: bytes) -> "Locks":
        sealed = wrap(wrapping, key, self._purpose(kind)).hex()
        return replace(self, locks={**self.locks, kind: {**about, "sealed": sealed}})

    def _unwrap(self, kind: str, wrapping: bytes) -> bytes | None:
        return unwrap(wrapping, bytes.fromhex(self.locks[kind]["sealed"]), self._purpose(kind))

    def _purpose(self, kind: str) -> bytes:
        return f"quietroom lock {kind} {self.id}".encode("ascii")


def _parse(path: Path) -> Locks | None:
    try:
        content = json.loads(path.read_text("ascii"))
        if content["format"] == 1:
            # The key file is the data key; an empty seal says so.
            return Locks("", content["check"], FIRST_JOURNAL, True, {"file": {"name": "key", "sealed": ""}})
        if content["format"] != 2 or content.pop("sum") != _sum(content):
            return None
        del content["format"]
        return Locks(**content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _sum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("ascii")).hexdigest()
