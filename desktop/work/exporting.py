"""Writes the journal to files, whole or not at all. Never shows anything."""

import contextlib
import io
import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyrage

from desktop.carried import WHOLE, Selection
from desktop.errors import UserError
from desktop.export import FORMATS
from desktop.export.shapes import Files, Format, Shape
from desktop.store.database import Opener, Vault
from desktop.store.files import create_private, is_full, sync_folder
from desktop.store.outgoing import Outgoing

# In a folder that an export made, and that a later one may therefore replace.
MARK = ".quietroom-export"
# age by a passphrase takes all of it at once.
MOST_ENCRYPTED = 512 * 1024**2
# The first moment that a zip can name: the time of an export is nobody's business.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


def export(
    folder: Path,
    opener: Opener,
    format_name: str,
    out: Path,
    *,
    overwrite: bool,
    chosen: Selection = WHOLE,
    passphrase: str | None = None,
) -> None:
    """Writes the journal in `folder`, or what was `chosen` of it, to `out`. Works while another process writes in it.

    With a passphrase what is written is one file in the age format, a folder as a zip in it.
    Raises UserError: no_journal, no_session, export_exists, export_other_folder, export_failed, export_disk_full,
    export_too_large and what opening a vault raises.
    """
    row = FORMATS[format_name]
    _check_place(out, overwrite=overwrite, is_folder=row.shape == Shape.FOLDER and passphrase is None)
    vault = Vault.open_beside(folder, opener)
    try:
        outgoing = Outgoing(vault, chosen)
        files = row.files(outgoing.begin())
        try:
            if passphrase is not None:
                _write_whole(out, [_encrypted(_one_file(row, files), passphrase)])
            elif row.shape == Shape.FOLDER:
                _write_folder(out, files)
            else:
                _write_whole(out, _one_file(row, files))
        finally:
            outgoing.end()
    except OSError as error:
        raise UserError("export_disk_full" if is_full(error) else "export_failed", path=str(out)) from error
    finally:
        vault.close()


def _check_place(out: Path, *, overwrite: bool, is_folder: bool) -> None:
    """Nothing that is there is replaced unasked, and a folder only if it is an export itself. Raises UserError."""
    if not out.exists():
        return
    if out.is_dir():
        if is_folder and not any(out.iterdir()):
            return
        if overwrite and not (is_folder and (out / MARK).exists()):
            raise UserError("export_other_folder", path=str(out))
    if not overwrite:
        raise UserError("export_exists", path=str(out))


def _one_file(row: Format, files: Files) -> Iterable[bytes]:
    match row.shape:
        case Shape.FILE:
            for _, chunks in files:
                yield from chunks
        case Shape.TAR:
            yield from _tar(files)
        case _:
            yield from _zip(files)


class _Pipe(io.RawIOBase):
    """Takes what an archive writes and hands it on: nothing is kept, nothing is gone back to."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        self._chunks.append(bytes(data))  # type: ignore[call-overload]
        return len(self._chunks[-1])

    def take(self) -> Iterator[bytes]:
        """What was written since the last time."""
        chunks, self._chunks = self._chunks, []
        yield from chunks


def _zip(files: Files) -> Iterator[bytes]:
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, chunks in files:
            about = zipfile.ZipInfo(name, _NO_TIME)
            about.compress_type = zipfile.ZIP_DEFLATED
            about.external_attr = 0o600 << 16
            with archive.open(about, "w", force_zip64=True) as file:
                for chunk in chunks:
                    file.write(chunk)
                    yield from pipe.take()
    yield from pipe.take()


def _tar(files: Files) -> Iterator[bytes]:
    pipe = _Pipe()
    with tarfile.open(fileobj=pipe, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for name, chunks in files:
            content = b"".join(chunks)
            about = tarfile.TarInfo(name)
            about.size, about.mode = len(content), 0o600
            archive.addfile(about, io.BytesIO(content))
            yield from pipe.take()
    yield from pipe.take()


def _encrypted(chunks: Iterable[bytes], passphrase: str) -> bytes:
    whole = bytearray()
    for chunk in chunks:
        whole += chunk
        if len(whole) > MOST_ENCRYPTED:
            raise UserError("export_too_large", most=MOST_ENCRYPTED // 1024**2)
    encrypted: bytes = pyrage.passphrase.encrypt(bytes(whole), passphrase)
    return encrypted


def _write_whole(out: Path, chunks: Iterable[bytes]) -> None:
    """Writes beside and renames once everything is on the disk."""
    part = out.with_name(f"{out.name}.{os.getpid()}.part")
    try:
        _write(part, chunks)
        part.replace(out)
        sync_folder(out.absolute().parent)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _write_folder(out: Path, files: Files) -> None:
    """Writes a folder beside and renames it; an earlier export under its name is moved away first."""
    part, old = (out.with_name(f"{out.name}.{os.getpid()}.{ending}") for ending in ("part", "old"))
    try:
        part.mkdir(mode=0o700)
        for name, chunks in files:
            path = part / name
            path.parent.mkdir(mode=0o700, exist_ok=True)
            _write(path, chunks)
        _write(part / MARK, [])
        for inner in [*(path for path in part.iterdir() if path.is_dir()), part]:
            sync_folder(inner)
        if out.exists():
            out.rename(old)
        part.replace(out)
        sync_folder(out.absolute().parent)
    except OSError:
        with contextlib.suppress(OSError):
            if old.exists() and not out.exists():
                old.rename(out)
        raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if out.exists():
            _remove(old)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _write(path: Path, chunks: Iterable[bytes]) -> None:
    with create_private(path) as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
