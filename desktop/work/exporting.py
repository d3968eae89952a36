"""Writes the journal to files, whole or not at all. Never shows anything."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from desktop.errors import UserError
from desktop.export import FORMATS
from desktop.store.chats import Chats
from desktop.store.database import Opener, Vault
from desktop.store.files import create_private, is_full


def export(folder: Path, opener: Opener, format_name: str, out: Path, *, overwrite: bool) -> None:
    """Writes the journal in `folder` to `out`. Works while another process writes in it.

    Raises UserError: no_journal, export_exists, export_failed, export_disk_full and what opening a vault raises.
    """
    if not overwrite and out.exists():
        raise UserError("export_exists", path=str(out))
    vault = Vault.open_beside(folder, opener)
    try:
        chats = Chats(vault)
        talks = ((session, chats.messages(session.id)) for session in reversed(chats.sessions()))
        _write_whole(out, FORMATS[format_name](talks))
    finally:
        vault.close()


def _write_whole(out: Path, chunks: Iterable[bytes]) -> None:
    """Writes beside and renames once everything is on the disk."""
    part = out.with_name(f"{out.name}.{os.getpid()}.part")
    try:
        with create_private(part) as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        part.replace(out)
    except OSError as error:
        raise UserError("export_disk_full" if is_full(error) else "export_failed", path=str(out)) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
