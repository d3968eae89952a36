"""A backup: one encrypted file that holds a whole vault. Never trusted before it was read back.

Layout: 16 bytes "quietroom backup", 4 bytes format (1, little-endian), 4 bytes length of the head, the head, the
SHA-256 of all before and of the database (32 bytes), the database. The head is JSON: `keys`, what `keys.json` says,
and `key`, the key file's 32 bytes in hex where the vault opens by one, else null. The database is SQLCipher's, under
the same data key, so a backup opens by whatever opened the vault when it was made.
"""

import hashlib
import json
import os
import secrets
import shutil
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO

from desktop.errors import UserError
from desktop.store.database import Opener, Vault, connect, remove_leftovers, told
from desktop.store.files import create_private, is_full, sync_file, sync_folder, write_private
from desktop.store.locks import FIRST_JOURNAL, Locks

MAGIC = b"quietroom backup"
HEAD_START = len(MAGIC) + 8
LARGEST_HEAD = 1 << 20
CHUNK = 1 << 20


@dataclass(frozen=True)
class Head:
    """What a backup says of itself; the database begins at `start`."""

    locks: Locks
    key_file: bytes | None
    digest: bytes
    start: int


def write_backup(vault: Vault, out: Path) -> int:
    """Writes a backup of an open vault to `out`, whole or not at all, and reads it back; gives its messages.

    Consistent while others write (SQLite's backup). Raises UserError (backup_failed, backup_full) with nothing left.
    """
    copy = out.with_name(f"{out.name}.database.part")
    part = out.with_name(f"{out.name}.part")
    try:
        _copy_database(vault, copy)
        _write(vault, copy, part)
        messages = _check(part, vault.key, copy)
        part.replace(out)
        sync_folder(out.absolute().parent)
    except OSError as error:
        raise UserError("backup_full" if is_full(error) else "backup_failed", path=str(out)) from error
    finally:
        for leftover in (copy, part):
            leftover.unlink(missing_ok=True)
    return messages


def restore_backup(backup: Path, folder: Path, opener: Opener, aside: Path) -> None:
    """Makes the vault in `backup` the one in `folder`; what is there is kept in the new folder `aside`.

    `opener` must open the backup, before anything is touched. The files of both lie side by side until one rename
    of `keys.json` decides, so a kill leaves one vault or the other. Raises UserError.
    """
    head = read_head(backup)
    name = secrets.token_hex(4)
    locks = replace(head.locks, journal=f"journal-{name}.db", finished=True)
    if head.key_file is not None:
        locks = replace(locks, locks={**locks.locks, "file": {**locks.locks["file"], "name": f"key-{name}"}})
    try:
        _unpack_database(backup, head, folder / locks.journal)
        if head.key_file is not None:
            write_private(folder / locks.key_file, head.key_file)
        connect(folder / locks.journal, opener.unlock(locks, folder)).conn.close()
        _set_aside(folder, aside, {locks.journal, locks.key_file if head.key_file else ""})
        locks.save(folder)
        remove_leftovers(folder, locks)
    except OSError as error:
        raise UserError("restore_failed", path=str(folder)) from error


def read_head(backup: Path) -> Head:
    """The head of a backup, its checksum checked. Raises UserError: backup_missing, backup_damaged."""
    try:
        with backup.open("rb") as file:
            head = _parse_head(file)
            digest = hashlib.sha256()
            file.seek(0)
            digest.update(file.read(head.start - 32))
            file.seek(head.start)
            for chunk in _chunks(file):
                digest.update(chunk)
    except OSError as error:
        raise UserError("backup_missing", path=str(backup)) from error
    except (ValueError, KeyError, TypeError, struct.error) as error:
        raise UserError("backup_damaged", path=str(backup)) from error
    if digest.digest() != head.digest:
        raise UserError("backup_damaged", path=str(backup))
    return head


def _copy_database(vault: Vault, copy: Path) -> None:
    copy.unlink(missing_ok=True)
    create_private(copy).close()
    with told(copy):
        target = connect(copy, vault.key, journal_mode="DELETE")
        try:
            vault.db.conn.backup(target.conn)
        finally:
            target.conn.close()


def _write(vault: Vault, copy: Path, part: Path) -> None:
    locks = replace(vault.locks, journal=FIRST_JOURNAL)
    key_file = None
    if "file" in locks.locks:
        key_file = (vault.folder / vault.locks.key_file).read_bytes().hex()
        locks = replace(locks, locks={**locks.locks, "file": {**locks.locks["file"], "name": "key"}})
    head = json.dumps({"keys": asdict(locks), "key": key_file}).encode("ascii")
    start = MAGIC + struct.pack("<II", 1, len(head)) + head
    digest = hashlib.sha256(start)
    with copy.open("rb") as database:
        for chunk in _chunks(database):
            digest.update(chunk)
    part.unlink(missing_ok=True)
    with create_private(part) as file:
        file.write(start + digest.digest())
        with copy.open("rb") as database:
            shutil.copyfileobj(database, file, CHUNK)
        file.flush()
        os.fsync(file.fileno())


def _check(part: Path, key: bytes, copy: Path) -> int:
    """Reads a backup as a restore would, opens its database and counts what is in it."""
    _unpack_database(part, read_head(part), copy)
    database = connect(copy, key, journal_mode="DELETE")
    try:
        return int(database["messages"].count)
    finally:
        database.conn.close()


def _unpack_database(backup: Path, head: Head, target: Path) -> None:
    target.unlink(missing_ok=True)
    with create_private(target) as file, backup.open("rb") as source:
        source.seek(head.start)
        shutil.copyfileobj(source, file, CHUNK)
    sync_file(target)


def _set_aside(folder: Path, aside: Path, new: set[str]) -> None:
    """Gives every file of the present vault a second name in `aside`."""
    aside.mkdir(mode=0o700)
    for path in [*folder.glob("journal*.db"), *folder.glob("journal*.db-wal"), *folder.glob("key*")]:
        if path.name in new:
            continue
        try:
            (aside / path.name).hardlink_to(path)
        except OSError:
            shutil.copy2(path, aside / path.name)
    sync_folder(aside)


def _parse_head(file: BinaryIO) -> Head:
    opening = file.read(HEAD_START)
    version, length = struct.unpack("<II", opening[len(MAGIC) :])
    if not opening.startswith(MAGIC) or version != 1 or length > LARGEST_HEAD:
        raise ValueError(version)
    content = json.loads(file.read(length))
    digest = file.read(32)
    key = content["key"]
    return Head(Locks(**content["keys"]), bytes.fromhex(key) if key else None, digest, HEAD_START + length + 32)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk
