"""Opening, locking and re-locking the vault, for the window. Never derives a key in the window's process."""

from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from desktop.flows.worker import Worker
from desktop.work import locking, login


class VaultFlow(QObject):
    """One request at a time; each ends in one of its signals.

    `unlocked(key)`: the 32 bytes that open the vault. `locked_anew(code)`: the vault now opens by the new
    passphrase, and by this recovery code, which is shown once and kept nowhere. `opened_up()`: it now opens
    without a passphrase. `login_set(is_on)`: the login opens it as well, or no more. `rehearsed()`: the recovery code
    was the right one. `failed(UserError)`.
    """

    unlocked = Signal(bytes)
    locked_anew = Signal(str)
    opened_up = Signal()
    login_set = Signal(bool)
    rehearsed = Signal()
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

    @property
    def opens_by_login(self) -> bool:
        """Whether the login opens the vault as well. Raises UserError("key_damaged")."""
        return login.is_on(self._folder)

    def unlock_by_login(self) -> None:
        """Tries the system's keyring."""
        self._work.ask("unlock_by_login", folder=str(self._folder))

    def set_login(self, key: bytes, *, is_on: bool) -> None:
        """Lets the login open the vault as well, or no more."""
        self._work.ask("set_login", folder=str(self._folder), key=key.hex(), is_on=is_on)

    def check_recovery(self, code: str) -> None:
        """Tries whether a recovery code would open the vault."""
        self._work.ask("check_recovery", folder=str(self._folder), code=code)

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
            case {"login": bool(is_on)}:
                self.login_set.emit(is_on)
            case {"rehearsed": True}:
                self.rehearsed.emit()
            case _:
                self.opened_up.emit()
