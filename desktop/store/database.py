"""Opens the encrypted journal file and words its failures as codes. Never decides what is kept in it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import sqlcipher3
from filelock import FileLock, Timeout
from sqlite_utils.db import Database

from desktop.errors import UserError
from desktop.store.keys import KeyFile, KeySource, sync_folder
from desktop.store.migrations import STEPS, migrations

FILE = "journal.db"


class Vault:
    """One data folder: its lock, its key and its open database.

    `Vault.open` takes the folder for writing and makes a new vault where there is none;
    `Vault.open_beside` reads an existing one while another process may be writing it.
    """

    def __init__(self, folder: Path, db: Database, key: bytes, lock: FileLock | None) -> None:
        self.folder = folder
        self.db = db
        self.key = key
        self._lock = lock

    @classmethod
    def open(cls, folder: Path) -> "Vault":
        """Opens or makes the vault in `folder`. Raises UserError."""
        lock = _take(folder)
        try:
            keys = KeyFile(folder)
            is_new = not keys.sealed and not (folder / FILE).exists()
            key = _make(folder, keys) if is_new else _key_of(folder, keys)
            db = _connect(folder / FILE, key)
            if not keys.sealed:
                keys.seal(key)
        except BaseException as error:
            lock.release()
            if isinstance(error, OSError):
                raise UserError("folder_not_writable", path=str(folder)) from error
            raise
        return cls(folder, db, key, lock)

    @classmethod
    def open_beside(cls, folder: Path, key: bytes | None = None) -> "Vault":
        """Opens an existing vault without the lock; `key` spares reading the key file. Raises UserError."""
        keys = KeyFile(folder)
        if not keys.sealed and not (folder / FILE).exists():
            raise UserError("no_journal", path=str(folder))
        key = key or _key_of(folder, keys)
        return cls(folder, _connect(folder / FILE, key), key, None)

    def close(self) -> None:
        """Closes the file and gives the folder free."""
        self.db.conn.close()
        if self._lock:
            self._lock.release()


def _take(folder: Path) -> FileLock:
    """The kernel's lock on the folder: gone with the process, however it ends."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (folder / "lock").exists() or not any(folder.iterdir()):
            folder.chmod(0o700)
        lock = FileLock(folder / "lock", mode=0o600)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UserError("folder_in_use", path=str(folder)) from error
    except OSError as error:
        raise UserError("folder_not_writable", path=str(folder)) from error
    return lock


def _make(folder: Path, keys: KeySource) -> bytes:
    """A new key and an empty journal under its own name only once it is whole."""
    key = keys.create()
    part = folder / f"{FILE}.part"
    for stale in folder.glob(f"{FILE}.part*"):
        stale.unlink()
    part.touch(mode=0o600)
    _connect(part, key).conn.close()
    part.rename(folder / FILE)
    sync_folder(folder)
    return key


def _key_of(folder: Path, keys: KeySource) -> bytes:
    """The key of a vault that exists; a journal that is gone or empty is damage, never a new vault."""
    key = keys.read()
    database = folder / FILE
    if not database.exists() or database.stat().st_size == 0:
        raise UserError("journal_damaged", path=str(database))
    return key


def _connect(path: Path, key: bytes) -> Database:
    """The open, migrated database. The key is given raw, so that no key derivation is paid again."""
    with told(path):
        conn = sqlcipher3.connect(str(path), isolation_level=None, timeout=10)
        try:
            # SQLCipher would write its errors to stderr, which is the person's screen.
            conn.execute("PRAGMA cipher_log_level = NONE")
            conn.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
            conn.execute("PRAGMA temp_store = MEMORY")
            conn.execute("PRAGMA foreign_keys = ON")
            conn.execute("PRAGMA secure_delete = ON")
            conn.execute("PRAGMA journal_mode = WAL")
            conn.execute("PRAGMA synchronous = FULL")
            # SQLCipher hands out zeros for a damaged overflow page and complains only at the next read, so
            # every page's HMAC is checked first (about 600 MB a second).
            if conn.execute("PRAGMA cipher_integrity_check").fetchone():
                raise UserError("journal_damaged", path=str(path))
            db = Database(conn, execute_plugins=False)
            if len(migrations.applied(db)) > len(STEPS):
                raise UserError("journal_newer", path=str(path))
            migrations.apply(db)
        except BaseException:
            conn.close()
            raise
    return db


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Turns SQLite's failures into a UserError that a person can act on."""
    try:
        yield
    except sqlcipher3.OperationalError as error:
        words = str(error)
        for sign, code in (
            ("full", "disk_full"),
            ("readonly", "folder_not_writable"),
            ("unable to open", "folder_not_writable"),
            ("locked", "journal_busy"),
            ("I/O", "disk_failed"),
        ):
            if sign in words:
                raise UserError(code, path=str(path)) from error
        raise
    except (sqlcipher3.IntegrityError, sqlcipher3.ProgrammingError):
        raise
    except sqlcipher3.DatabaseError as error:
        raise UserError("journal_damaged", path=str(path)) from error
