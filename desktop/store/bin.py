"""The bin: what was deleted waits here, and then is truly gone. Never reads the clock."""

from typing import Any

from desktop.errors import UserError
from desktop.store.database import Vault, told

# The tables that things can be deleted from.
TABLES = ("sessions", "entries", "notes", "exercises_done")


class Bin:
    """Talks, entries, notes and exercises that were deleted. Erasing leaves nothing of them in file, log or index."""

    def __init__(self, vault: Vault) -> None:
        self._db = vault.db
        self._path = vault.folder

    def put(self, thing_id: str, time: str) -> None:
        """Puts a thing into the bin. Raises UserError("nothing_there")."""
        if not self._mark(thing_id, time, "deleted_at IS NULL"):
            raise UserError("nothing_there", id=thing_id)

    def take_back(self, thing_id: str) -> None:
        """Takes a thing out of the bin. Raises UserError("not_in_bin")."""
        if not self._mark(thing_id, None, "deleted_at IS NOT NULL"):
            raise UserError("not_in_bin", id=thing_id)

    def contents(self) -> list[tuple[str, str, str, str]]:
        """(kind, id, title, deleted_at) of what lies in the bin, the last deleted first."""
        with told(self._path):
            rows = self._db.execute(
                "SELECT 'session', id, title, deleted_at AS at FROM sessions WHERE deleted_at IS NOT NULL"
                " UNION ALL SELECT 'entry', id, title, deleted_at AS at FROM entries WHERE deleted_at IS NOT NULL"
                " UNION ALL SELECT 'note', id, substr(text, 1, 60), deleted_at AS at FROM notes"
                " WHERE deleted_at IS NOT NULL"
                " UNION ALL SELECT 'exercise', id, exercise, deleted_at AS at FROM exercises_done"
                " WHERE deleted_at IS NOT NULL"
                " ORDER BY at DESC"
            ).fetchall()
        return [(str(kind), str(thing), str(title), str(at)) for kind, thing, title, at in rows]

    def erase(self, before: str) -> int:
        """Truly erases what was deleted earlier than `before` (a UTC text, "~" for all); gives how many.

        Rows are overwritten (secure_delete), the index is merged, the file is rewritten without its free pages
        and the log is emptied. Raises UserError (disk_full ...).
        """
        erased = 0
        with told(self._path):
            with self._db.atomic():
                for table in TABLES:
                    erased += self._db.execute(f"DELETE FROM {table} WHERE deleted_at < ?", (before,)).rowcount
                if erased:
                    self._db.execute("INSERT INTO search(search) VALUES ('optimize')")
            if erased:
                self._db.execute("VACUUM")
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return erased

    def _mark(self, thing_id: str, time: str | None, condition: str) -> bool:
        changed = 0
        with told(self._path), self._db.atomic():
            for table in TABLES:
                done: Any = self._db.execute(
                    f"UPDATE {table} SET deleted_at = ? WHERE id = ? AND {condition}", (time, thing_id)
                )
                changed += done.rowcount
        return changed > 0
