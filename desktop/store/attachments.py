"""Pictures kept inside the vault with an entry. Never a file on the disk, never anything but a picture."""

from desktop.errors import UserError
from desktop.records import Attachment
from desktop.store.database import Vault, told

MOST_BYTES = 20 * 1024 * 1024
_COLUMNS = "id, entry_id, name, media_type, length(content) AS size, created_at"
# How the files begin (PNG, JPEG, GIF); WebP is looked at apart.
_BEGINNINGS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}


def media_type(content: bytes) -> str | None:
    """What kind of picture this is by its first bytes, None if it is none that is kept here."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for beginning, kind in _BEGINNINGS.items() if content.startswith(beginning)), None)


class Attachments:
    """The pictures of entries. Every write is durable when its method returns."""

    def __init__(self, vault: Vault) -> None:
        self._db = vault.db
        self._path = vault.folder

    def add(self, attachment_id: str, entry_id: str, name: str, content: bytes, time: str) -> Attachment:
        """Keeps a picture with an entry. Raises UserError: picture_too_large, picture_unknown, no_entry."""
        kind = media_type(content)
        if len(content) > MOST_BYTES:
            raise UserError("picture_too_large", most=MOST_BYTES // 1024**2)
        if kind is None:
            raise UserError("picture_unknown")
        with told(self._path):
            if not self._db.execute("SELECT 1 FROM entries WHERE id = ?", (entry_id,)).fetchone():
                raise UserError("no_entry", id=entry_id)
            self._db.execute(
                "INSERT INTO attachments (id, entry_id, name, media_type, content, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (attachment_id, entry_id, name, kind, content, time),
            )
        return Attachment(attachment_id, entry_id, name, kind, len(content), time)

    def attachments(self, entry_id: str) -> list[Attachment]:
        """The pictures of an entry, in the order they were added."""
        with told(self._path):
            rows = self._db.query(f"SELECT {_COLUMNS} FROM attachments WHERE entry_id = ? ORDER BY seq", (entry_id,))
            return [Attachment(**row) for row in rows]

    def content(self, attachment_id: str) -> bytes:
        """A picture's bytes. Raises UserError("no_picture")."""
        with told(self._path):
            row = self._db.execute("SELECT content FROM attachments WHERE id = ?", (attachment_id,)).fetchone()
        if row is None:
            raise UserError("no_picture", id=attachment_id)
        return bytes(row[0])

    def erase(self, attachment_id: str) -> None:
        """Takes a picture away for good. Raises UserError("no_picture")."""
        with told(self._path):
            if not self._db.execute("DELETE FROM attachments WHERE id = ?", (attachment_id,)).rowcount:
                raise UserError("no_picture", id=attachment_id)
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
