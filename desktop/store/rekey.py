"""A new data key: everything is written anew under it. Killed at any moment, the vault opens by one key or the other.

The new database grows under a name of its own; `keys.json` names the database that counts, so replacing that one
file is the moment of change. What is left over either way is removed at the next opening.
"""

import secrets
from collections.abc import Callable
from pathlib import Path

from desktop.errors import UserError
from desktop.store.database import Vault, connect, remove_leftovers, told
from desktop.store.files import sync_file, sync_folder
from desktop.store.keys import new_key
from desktop.store.locks import Locks


def rekey_vault(vault: Vault, lock_again: Callable[[Locks, bytes], Locks]) -> None:
    """Rewrites an open vault under a new key, with the locks that `lock_again` puts on it; it is of no more use then.

    Raises UserError (disk_full ...) with the old vault as it was.
    """
    key = new_key()
    fresh = Locks.new(key, f"journal-{secrets.token_hex(4)}.db")
    target = vault.folder / fresh.journal
    _copy(vault, target, key)
    locks = lock_again(fresh, key)
    vault.db.conn.close()
    locks.save(vault.folder)
    remove_leftovers(vault.folder, locks)


def _copy(vault: Vault, target: Path, key: bytes) -> None:
    """All tables under the new key, checked row for row before anyone relies on them."""
    with told(vault.folder):
        vault.db.execute("ATTACH DATABASE ? AS fresh KEY ?", (str(target), f"x'{key.hex()}'"))
        vault.db.execute("SELECT sqlcipher_export('fresh')")
        vault.db.execute("DETACH DATABASE fresh")
    target.chmod(0o600)
    copy = connect(target, key)
    try:
        for table in vault.db.table_names():
            if copy[table].count != vault.db[table].count:
                raise UserError("disk_failed", path=str(target))
    finally:
        copy.conn.close()
    sync_file(target)
    sync_folder(target.parent)
