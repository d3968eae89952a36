"""Opening and locking a vault: the slow derivations, for the child and for the terminal. Never shows anything."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from desktop.errors import UserError
from desktop.settings import SHORTEST_PASSPHRASE
from desktop.store import attempts
from desktop.store.database import ByFile, ByKey, ByPassphrase, Opener, Vault, is_new
from desktop.store.keys import choose_cost
from desktop.store.locks import Locks
from desktop.store.rekey import rekey_vault
from desktop.work import login


def is_locked(folder: Path) -> bool:
    """Whether the vault in `folder` opens by a passphrase alone. Raises UserError("key_damaged")."""
    locks = Locks.read(folder)
    return locks is not None and not is_new(folder, locks) and "file" not in locks.locks


class Asks(Protocol):
    """Where a passphrase comes from."""

    def passphrase(self) -> str | None:
        """The words that open a vault, asked for if need be; None where there is nobody to ask. Raises UserError."""
        ...

    def first_passphrase(self) -> str | None:
        """The words that shall lock a new vault, None for none: nobody is asked for them. Raises UserError."""
        ...


def opener(folder: Path, asks: Asks) -> Opener:
    """The way into `folder`, which may hold no vault yet; a passphrase is asked for only where it is needed.

    Raises UserError: passphrase_needed, passphrase_wrong, passphrase_short, key_damaged.
    """
    if is_new(folder, Locks.read(folder)):
        text = asks.first_passphrase()
        return ByPassphrase(_checked(text), choose_cost(time.perf_counter)) if text is not None else ByFile()
    if not is_locked(folder):
        return ByFile()
    if login.is_on(folder) and asks.first_passphrase() is None:
        with contextlib.suppress(UserError):
            return ByKey(login.unlock(folder))
    text = asks.passphrase()
    if text is None:
        raise UserError("passphrase_needed", path=str(folder))
    return ByKey(unlock(folder, text))


def unlock(folder: Path, passphrase: str) -> bytes:
    """The data key; a guess after wrong ones waits first. Raises UserError("passphrase_wrong")."""
    return _guess(folder, lambda locks: locks.open_by_passphrase(passphrase))


def unlock_by_recovery(folder: Path, code: str) -> bytes:
    """The data key by the recovery code. Raises UserError: recovery_mistyped, recovery_wrong."""
    return _guess(folder, lambda locks: locks.open_by_recovery(code))


def by_recovery(folder: Path, code: str) -> Opener:
    """The way in by a recovery code. Raises UserError: recovery_mistyped, recovery_wrong."""
    return ByKey(unlock_by_recovery(folder, code))


def set_passphrase(folder: Path, key: bytes, passphrase: str) -> str:
    """From now on the passphrase opens the vault, and so does the recovery code that is given back.

    The database is not rewritten. Raises UserError: passphrase_short, key_wrong.
    """
    locks = _locks(folder, key).with_passphrase(key, _checked(passphrase), choose_cost(time.perf_counter))
    locks, code = locks.with_recovery(key)
    locks.without("file").save(folder)
    locks.remove_key_files(folder)
    return code


def use_login_only(folder: Path, key: bytes) -> None:
    """From now on the key file opens the vault: whoever has the disk can read it. Raises UserError("key_wrong")."""
    locks = _locks(folder, key).with_file(key, folder)
    locks.without("passphrase").without("recovery").without("keyring").save(folder)
    login.forget(locks)


def set_login(folder: Path, way: Opener, *, is_on: bool) -> None:
    """From the terminal: the login opens the vault as well, or no more. Raises UserError."""
    vault = Vault.open(folder, way)
    try:
        (login.turn_on if is_on else login.turn_off)(folder, vault.key)
    finally:
        vault.close()


def first_code(vault: Vault) -> str | None:
    """The first recovery code of a new vault that a passphrase opens; None for one that its key file opens."""
    if "passphrase" not in vault.locks.locks:
        return None
    locks, code = vault.locks.with_recovery(vault.key)
    locks.save(vault.folder)
    return code


def relock(folder: Path, way: Opener, passphrase: str | None) -> str | None:
    """From the terminal: a new passphrase, which gives a recovery code, or none any more. Raises UserError."""
    vault = Vault.open(folder, way)
    try:
        if passphrase is None:
            use_login_only(folder, vault.key)
            return None
        return set_passphrase(folder, vault.key, passphrase)
    finally:
        vault.close()


def rekey(folder: Path, way: Opener, passphrase: Callable[[], str | None]) -> str | None:
    """Gives the vault a new data key and rewrites everything; gives a new recovery code if it had one.

    `passphrase` is asked where the vault has one, to put it on the new key as well. The login opens it no more,
    until that is chosen again. Raises UserError.
    """
    vault = Vault.open(folder, way)
    locks, code = vault.locks, None
    try:
        words = passphrase() if "passphrase" in locks.locks else None
        if words is not None:
            locks.open_by_passphrase(words)
        elif "passphrase" in locks.locks:
            raise UserError("passphrase_needed", path=str(folder))

        def lock_again(fresh: Locks, key: bytes) -> Locks:
            nonlocal code
            if "file" in locks.locks:
                fresh = fresh.with_file(key, folder)
            if words is not None:
                fresh = fresh.with_passphrase(key, words, choose_cost(time.perf_counter))
            if "recovery" in locks.locks:
                fresh, code = fresh.with_recovery(key)
            return replace(fresh, finished=True)

        rekey_vault(vault, lock_again)
        login.forget(locks)
    finally:
        vault.close()
    return code


def _guess(folder: Path, attempt: Callable[[Locks], bytes]) -> bytes:
    locks = Locks.read(folder)
    if locks is None:
        raise UserError("no_journal", path=str(folder))
    time.sleep(attempts.wait_s(folder, time.time()))
    try:
        key = attempt(locks)
    except UserError as error:
        if error.code != "recovery_mistyped":
            attempts.count_failure(folder, time.time())
        raise
    attempts.forget(folder)
    return key


def _locks(folder: Path, key: bytes) -> Locks:
    locks = Locks.read(folder)
    if locks is None or not locks.fits(key):
        raise UserError("key_wrong", path=str(folder))
    return locks


def _checked(passphrase: str) -> str:
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise UserError("passphrase_short", least=SHORTEST_PASSPHRASE)
    return passphrase
