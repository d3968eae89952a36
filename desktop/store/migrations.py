"""How the journal file grew: an ordered list, each step atomic. Never edit a step that was released."""

from sqlite_utils import Migrations
from sqlite_utils.db import Database


def _sessions_and_messages(db: Database) -> None:
    for statement in (
        """CREATE TABLE sessions (
            id TEXT PRIMARY KEY, title TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL
        ) STRICT""",
        "CREATE INDEX sessions_by_time ON sessions(updated_at)",
        # `seq` is the order of arrival: clocks can be set back, so time is shown and never sorted by.
        """CREATE TABLE messages (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
            session_id TEXT NOT NULL REFERENCES sessions(id) ON DELETE CASCADE,
            role TEXT NOT NULL CHECK (role IN ('user', 'assistant', 'written')),
            text TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('done', 'interrupted')),
            created_at TEXT NOT NULL, reply_to TEXT REFERENCES messages(id),
            model_name TEXT, model_sha256 TEXT
        ) STRICT""",
        "CREATE INDEX messages_by_session ON messages(session_id, seq)",
        # Hashing a large model takes seconds, so it is done once for each file as it lies on the disk.
        """CREATE TABLE model_files (
            path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, sha256 TEXT NOT NULL
        ) STRICT""",
        "CREATE TABLE settings (one INTEGER PRIMARY KEY CHECK (one = 1), json TEXT NOT NULL) STRICT",
    ):
        db.execute(statement)


STEPS = [_sessions_and_messages]

migrations = Migrations("quietroom")
for number, step in enumerate(STEPS, start=1):
    migrations(name=f"{number:04}{step.__name__}")(step)
