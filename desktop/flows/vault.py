"""Opening, locking and re-locking the vault, for the window. Never derives a key in the window's process."""

from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from desktop.flows.worker import Worker
from desktop.work import locking


class VaultFlow(QObject):
    """One request at a time; each ends in one of its signals.

    `unlocked(key)`: the 32 bytes that open the vault. `locked_anew(code)`: the vault now opens by the new
    passphrase, and by this recovery code, which is shown once and kept nowhere. `opened_up()`: it now opens
    without a passphrase. `failed(UserError)`.
    """

    unlocked = Signal(bytes)
    locked_anew = Signal(str)
    opened_up = Signal()
    failed = Signal(object)

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._work = Worker(self)
        self._work.done.connect(self._hear)
        self._work.failed.connect(self.failed)

    @property
    def is_locked(self) -> bool:
        """Whether a passphrase is needed to open the vault. Raises UserError("key_damaged")."""
        return locking.is_locked(self._folder)

    def unlock(self, passphrase: str) -> None:
        """Tries a passphrase."""
        self._work.ask("unlock", folder=str(self._folder), passphrase=passphrase)

    def unlock_by_recovery(self, code: str) -> None:
        """Tries a recovery code."""
        self._work.ask("unlock_by_recovery", folder=str(self._folder), code=code)

    def set_passphrase(self, key: bytes, passphrase: str) -> None:
        """Locks the vault by a passphrase."""
        self._work.ask("set_passphrase", folder=str(self._folder), key=key.hex(), passphrase=passphrase)

    def use_login_only(self, key: bytes) -> None:
        """Takes the passphrase away: the vault opens for whoever has the disk."""
        self._work.ask("use_login_only", folder=str(self._folder), key=key.hex())

    def close(self) -> None:
        """Drops what is under way."""
        self._work.close()

    def _hear(self, outcome: dict[str, Any]) -> None:
        match outcome:
            case {"key": str(key)}:
                self.unlocked.emit(bytes.fromhex(key))
            case {"code": str(code)}:
                self.locked_anew.emit(code)
            case _:
                self.opened_up.emit()
