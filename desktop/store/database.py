"""Opens the encrypted journal file and words its failures as codes. Never decides what is kept in it."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import sqlcipher3
from filelock import FileLock, Timeout
from sqlite_utils.db import Database

from desktop.errors import UserError
from desktop.store.files import sync_file, sync_folder
from desktop.store.keys import Cost, new_key
from desktop.store.locks import Locks
from desktop.store.migrations import STEPS, migrations


class Opener(Protocol):
    """A way to open a vault, and to lock a new one."""

    def unlock(self, locks: Locks, folder: Path) -> bytes:
        """The data key. Raises UserError."""
        ...

    def set_up(self, locks: Locks, key: bytes, folder: Path) -> Locks:
        """The locks of a new vault. Raises OSError."""
        ...


class ByFile:
    """By the key file beside the journal."""

    def unlock(self, locks: Locks, folder: Path) -> bytes:
        """The data key. Raises UserError."""
        return locks.open_by_file(folder)

    def set_up(self, locks: Locks, key: bytes, folder: Path) -> Locks:
        """One lock, which the key file opens. Raises OSError."""
        return locks.with_file(key, folder)


@dataclass(frozen=True)
class ByPassphrase:
    """By a passphrase; `cost` is what a new lock makes a guess cost."""

    passphrase: str
    cost: Cost

    def unlock(self, locks: Locks, _folder: Path) -> bytes:
        """The data key. Raises UserError."""
        return locks.open_by_passphrase(self.passphrase)

    def set_up(self, locks: Locks, key: bytes, _folder: Path) -> Locks:
        """One lock, which the passphrase opens."""
        return locks.with_passphrase(key, self.passphrase, self.cost)


@dataclass(frozen=True)
class ByKey:
    """By the data key itself, which another process of ours has found."""

    key: bytes

    def unlock(self, locks: Locks, folder: Path) -> bytes:
        """The data key, if it is the one. Raises UserError("key_wrong")."""
        if not locks.fits(self.key):
            raise UserError("key_wrong", path=str(folder))
        return self.key

    def set_up(self, _locks: Locks, _key: bytes, folder: Path) -> Locks:
        """A key opens what is there; a new vault would have no lock at all. Raises UserError("no_journal")."""
        raise UserError("no_journal", path=str(folder))


class Vault:
    """One data folder: its lock, its key and its open database.

    `Vault.open` takes the folder for writing and makes a new vault where there is none;
    `Vault.open_beside` reads an existing one while another process may be writing it.
    """

    def __init__(
        self, folder: Path, locks: Locks, db: Database, key: bytes, held: FileLock | None, *, is_new: bool = False
    ) -> None:
        self.folder = folder
        self.is_new = is_new
        self.locks = locks
        self.db = db
        self.key = key
        self._held = held

    @classmethod
    def open(cls, folder: Path, opener: Opener | None = None) -> "Vault":
        """Opens or makes the vault in `folder`, by its key file unless told otherwise. Raises UserError."""
        opener = opener or ByFile()
        held = _take(folder)
        try:
            locks = Locks.read(folder)
            new = is_new(folder, locks)
            if new:
                locks, key = _make(folder, opener)
            else:
                locks, key = _unlock(folder, locks, opener)
            db = connect(folder / locks.journal, key)
            if not locks.finished:
                locks = replace(locks, finished=True)
                locks.save(folder)
            locks.mend_copy(folder)
            remove_leftovers(folder, locks)
        except BaseException as error:
            held.release()
            if isinstance(error, OSError):
                raise UserError("folder_not_writable", path=str(folder)) from error
            raise
        return cls(folder, locks, db, key, held, is_new=new)

    @classmethod
    def open_beside(cls, folder: Path, opener: Opener | None = None) -> "Vault":
        """Opens an existing vault without taking it. Raises UserError."""
        locks = Locks.read(folder)
        if is_new(folder, locks):
            raise UserError("no_journal", path=str(folder))
        locks, key = _unlock(folder, locks, opener or ByFile())
        return cls(folder, locks, connect(folder / locks.journal, key), key, None)

    @classmethod
    def fleeting(cls) -> "Vault":
        """A vault in memory alone, for a talk that leaves nothing: closing it is the end of what it held."""
        key = new_key()
        conn = sqlcipher3.connect(":memory:", isolation_level=None)
        conn.execute("PRAGMA temp_store = MEMORY")
        conn.execute("PRAGMA foreign_keys = ON")
        db = Database(conn, execute_plugins=False)
        migrations.apply(db)
        return cls(Path(), Locks.new(key), db, key, None, is_new=True)

    @staticmethod
    def hold(folder: Path) -> FileLock:
        """The lock on a folder alone, to be released; nobody else can open it meanwhile. Raises UserError."""
        return _take(folder)

    @staticmethod
    def erase(folder: Path) -> None:
        """Removes every file of the vault in a held folder. Keys are overwritten and go first. Raises OSError."""
        keys = [path for path in folder.glob("key*") if path.is_file()]
        for path in keys:
            path.write_bytes(bytes(path.stat().st_size))
            sync_file(path)
        for path in [*keys, *folder.glob("journal*.db*"), *folder.glob("attempts.json*")]:
            path.unlink()
        sync_folder(folder)

    def close(self) -> None:
        """Closes the file and gives the folder free."""
        self.db.conn.close()
        if self._held:
            self._held.release()


def is_new(folder: Path, locks: Locks | None) -> bool:
    """Whether there is no vault here yet, or only a first start that was cut short before its journal stood."""
    return not any(folder.glob("journal*.db")) and (locks is None or not locks.finished)


def _unlock(folder: Path, locks: Locks | None, opener: Opener) -> tuple[Locks, bytes]:
    """The key of a vault that exists; a journal that is gone or empty is damage, never a new vault."""
    if locks is None:
        raise UserError("key_missing", path=str(folder / "keys.json"))
    key = opener.unlock(locks, folder)
    database = folder / locks.journal
    if not database.exists() or database.stat().st_size == 0:
        raise UserError("journal_damaged", path=str(database))
    return locks, key


def remove_leftovers(folder: Path, locks: Locks) -> None:
    """Removes databases and key files that `locks`, the ones that count, do not name: a rekey was cut short."""
    named = {locks.key_file} if "file" in locks.locks else set()
    for path in [*folder.glob("journal*.db*"), *folder.glob("key-*"), *folder.glob("key")]:
        if not path.name.startswith(locks.journal) and path.name not in named:
            path.unlink()


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


def _make(folder: Path, opener: Opener) -> tuple[Locks, bytes]:
    """A new key, its locks, and an empty journal that gets its name only once it is whole."""
    key = new_key()
    locks = opener.set_up(Locks.new(key), key, folder)
    locks.save(folder)
    part = folder / f"{locks.journal}.part"
    for stale in folder.glob(f"{locks.journal}.part*"):
        stale.unlink()
    part.touch(mode=0o600)
    connect(part, key).conn.close()
    part.rename(folder / locks.journal)
    sync_folder(folder)
    return locks, key


def connect(path: Path, key: bytes, journal_mode: str = "WAL") -> Database:
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
            conn.execute(f"PRAGMA journal_mode = {journal_mode}")
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
