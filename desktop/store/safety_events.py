"""That messages were raised: level and category. Never a word of what was written."""

from collections.abc import Iterator

from desktop.errors import UserError
from desktop.records import Category, Level, SafetyEvent
from desktop.store.database import Vault, told

_COLUMNS = "id, level, category, session_id, message_id, created_at, zone"


class SafetyEvents:
    """The person's own list, which they can read and empty. Every write is durable when its method returns."""

    def __init__(self, vault: Vault) -> None:
        self._db = vault.db
        self._path = vault.folder

    def add(self, event: SafetyEvent) -> None:
        """Keeps that a message was raised. Raises UserError (disk_full ...)."""
        values = (
            event.id, event.level.value, event.category.value, event.session_id, event.message_id,
            event.created_at, event.zone,
        )  # fmt: skip
        with told(self._path):
            self._db.execute(f"INSERT INTO safety_events ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def events(self) -> Iterator[SafetyEvent]:
        """All of them, in the order they came; those of a talk in the bin are left out."""
        with told(self._path):
            rows = self._db.query(
                f"SELECT {_COLUMNS} FROM safety_events WHERE NOT EXISTS (SELECT 1 FROM sessions"
                " WHERE sessions.id = safety_events.session_id AND deleted_at IS NOT NULL) ORDER BY seq"
            )
            for row in rows:
                yield SafetyEvent(**{**row, "level": Level(row["level"]), "category": Category(row["category"])})

    def delete(self, event_id: str) -> None:
        """Erases one at once: the row is overwritten. Raises UserError("no_event")."""
        with told(self._path):
            if not self._db.execute("DELETE FROM safety_events WHERE id = ?", (event_id,)).rowcount:
                raise UserError("no_event", id=event_id)
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def delete_all(self) -> int:
        """Erases all at once; gives how many."""
        with told(self._path):
            count = self._db.execute("DELETE FROM safety_events").rowcount
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return int(count)
