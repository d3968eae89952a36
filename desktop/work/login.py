"""Unlocking with the login: a wrapping key in the system's keyring. Never the data key itself, never the only way in.

Whoever is logged in as this person can then open the journal; the passphrase and the recovery code stay as they are.
"""

import contextlib
from pathlib import Path

import keyring
from keyring.errors import KeyringError

from desktop.errors import UserError
from desktop.store.locks import Locks

SERVICE = "Quietroom"


def is_on(folder: Path) -> bool:
    """Whether the login opens the vault in `folder`. Raises UserError("key_damaged")."""
    locks = Locks.read(folder)
    return locks is not None and "keyring" in locks.locks


def turn_on(folder: Path, key: bytes) -> None:
    """From now on the login opens the vault as well. Raises UserError: no_keyring, no_passphrase_lock, key_wrong."""
    locks = _fitting(folder, key)
    if "passphrase" not in locks.locks:
        raise UserError("no_passphrase_lock")
    locks, wrapping = locks.with_keyring(key)
    try:
        keyring.set_password(SERVICE, locks.id, wrapping.hex())
        is_kept = keyring.get_password(SERVICE, locks.id) == wrapping.hex()
    except (KeyringError, OSError, RuntimeError) as error:
        raise UserError("no_keyring") from error
    # Some keyrings take everything and keep nothing.
    if not is_kept:
        raise UserError("no_keyring")
    locks.save(folder)


def turn_off(folder: Path, key: bytes) -> None:
    """From now on the login opens nothing. Raises UserError("key_wrong")."""
    locks = _fitting(folder, key)
    locks.without("keyring").save(folder)
    forget(locks)


def forget(locks: Locks) -> None:
    """Takes the wrapping key out of the keyring, if it is there."""
    if "keyring" in locks.locks:
        with contextlib.suppress(KeyringError, OSError, RuntimeError):
            keyring.delete_password(SERVICE, locks.id)


def unlock(folder: Path) -> bytes:
    """The data key by the login. Raises UserError("login_refused")."""
    locks = Locks.read(folder)
    try:
        kept = keyring.get_password(SERVICE, locks.id) if locks and "keyring" in locks.locks else None
        wrapping = bytes.fromhex(kept or "")
    except (KeyringError, OSError, RuntimeError, ValueError) as error:
        raise UserError("login_refused") from error
    key = locks.open_by_keyring(wrapping) if locks and wrapping else None
    if key is None:
        raise UserError("login_refused")
    return key


def _fitting(folder: Path, key: bytes) -> Locks:
    locks = Locks.read(folder)
    if locks is None or not locks.fits(key):
        raise UserError("key_wrong", path=str(folder))
    return locks
