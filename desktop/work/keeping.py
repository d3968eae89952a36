"""Backups, by hand and by the day, restoring, and erasing everything. Never shows anything."""

import contextlib
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

from desktop.errors import UserError
from desktop.store.backup import read_head, restore_backup, write_backup
from desktop.store.database import ByFile, ByKey, Opener, Vault
from desktop.store.keeping import kept

_DAILY = re.compile(r"quietroom-(\d{4}-\d{2}-\d{2})\.backup")


def backup(folder: Path, opener: Opener, out: Path, *, overwrite: bool) -> int:
    """Writes one encrypted file that holds everything; gives how many messages it holds. Raises UserError."""
    if out.exists() and not overwrite:
        raise UserError("export_exists", path=str(out))
    vault = Vault.open_beside(folder, opener)
    try:
        return write_backup(vault, out)
    finally:
        vault.close()


def backup_of_the_day(folder: Path, opener: Opener, target: Path, today: date) -> None:
    """Writes today's backup into `target` if it is not there yet, then removes those that are not kept."""
    out = target / f"quietroom-{today.isoformat()}.backup"
    if out.exists():
        return
    with contextlib.suppress(FileExistsError):
        target.mkdir(mode=0o700, parents=True)
    backup(folder, opener, out, overwrite=False)
    days = {path: date.fromisoformat(found[1]) for path in target.iterdir() if (found := _DAILY.fullmatch(path.name))}
    keep = kept(days.values())
    for path, day in days.items():
        if day not in keep:
            path.unlink()


def restore(file: Path, folder: Path, passphrase: Callable[[], str | None], aside: Path) -> None:
    """Puts the vault out of a backup into `folder`; what is there is set aside in it. Raises UserError."""
    head = read_head(file)
    opener: Opener = ByFile()
    if head.key_file is None:
        words = passphrase()
        if words is None:
            raise UserError("passphrase_needed", path=str(file))
        opener = ByKey(head.locks.open_by_passphrase(words))
    held = Vault.hold(folder)
    try:
        restore_backup(file, folder, opener, aside)
    finally:
        held.release()


def erase(folder: Path, name: str) -> None:
    """Erases the vault in `folder` for good, its keys first. `name` must be the folder's own. Raises UserError."""
    if name != folder.resolve().name:
        raise UserError("erase_name", name=folder.resolve().name)
    held = Vault.hold(folder)
    try:
        Vault.erase(folder)
    except OSError as error:
        raise UserError("folder_not_writable", path=str(folder)) from error
    finally:
        held.release()
