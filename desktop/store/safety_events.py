"""That messages were raised: level and category, never words. Never decides what is raised."""

from desktop.records import Category, Level, SafetyEvent
from desktop.store.database import Vault, told

_COLUMNS = "id, level, category, session_id, message_id, created_at, zone"


class SafetyEvents:
    """What was noticed. An event goes with its message, and is overwritten when it is deleted."""

    def __init__(self, vault: Vault) -> None:
        self._db = vault.db
        self._path = vault.folder

    def add(self, event: SafetyEvent) -> None:
        """Keeps an event. Raises UserError (disk_full ...)."""
        with told(self._path):
            self._db.execute(
                f"INSERT INTO safety_events ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (event.id, event.level.value, event.category.value, event.session_id, event.message_id,
                 event.created_at, event.zone),
            )  # fmt: skip

    def events(self) -> list[SafetyEvent]:
        """All events, the last noticed first."""
        with told(self._path):
            rows = self._db.execute(f"SELECT {_COLUMNS} FROM safety_events ORDER BY seq DESC").fetchall()
        return [SafetyEvent(row[0], Level(row[1]), Category(row[2]), *row[3:]) for row in rows]

    def delete(self, event_id: str | None = None) -> int:
        """Erases one event, or all of them; gives how many. Raises UserError."""
        with told(self._path):
            if event_id is None:
                done = self._db.execute("DELETE FROM safety_events")
            else:
                done = self._db.execute("DELETE FROM safety_events WHERE id = ?", (event_id,))
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return int(done.rowcount)
