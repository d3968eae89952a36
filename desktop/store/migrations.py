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


def _entries_versions_and_search(db: Database) -> None:
    for statement in (
        # Wall time is the instant in the zone it was written in.
        "ALTER TABLE sessions ADD COLUMN zone TEXT NOT NULL DEFAULT 'UTC'",
        "ALTER TABLE sessions ADD COLUMN deleted_at TEXT",
        """CREATE TABLE entries (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
            title TEXT NOT NULL, text TEXT NOT NULL,
            mood INTEGER CHECK (mood BETWEEN 0 AND 10), tension INTEGER CHECK (tension BETWEEN 0 AND 10),
            energy INTEGER CHECK (energy BETWEEN 0 AND 10), sleep INTEGER CHECK (sleep BETWEEN 0 AND 10),
            feelings TEXT NOT NULL, tags TEXT NOT NULL,
            session_id TEXT REFERENCES sessions(id) ON DELETE SET NULL,
            created_at TEXT NOT NULL, zone TEXT NOT NULL, updated_at TEXT NOT NULL, deleted_at TEXT
        ) STRICT""",
        "CREATE INDEX entries_by_time ON entries(created_at)",
        # What an entry was before each edit, as JSON.
        """CREATE TABLE versions (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, entry_id TEXT NOT NULL REFERENCES entries(id) ON DELETE CASCADE,
            saved_at TEXT NOT NULL, json TEXT NOT NULL
        ) STRICT""",
        "CREATE INDEX versions_by_entry ON versions(entry_id, seq)",
        # The index holds words, not texts. A message is the row 2 x seq, an entry the row 2 x seq + 1.
        """CREATE VIRTUAL TABLE search USING fts5(
            title, body, tags, content='', contentless_delete=1, tokenize="unicode61 remove_diacritics 2", prefix='2 3'
        )""",
        # What is deleted leaves no trace in the index either.
        "INSERT INTO search(search, rank) VALUES ('secure-delete', 1)",
        *_INDEXED,
        "INSERT INTO search(rowid, title, body, tags) SELECT 2 * seq, '', text, '' FROM messages",
    ):
        db.execute(statement)


_MESSAGE = "INSERT INTO search(rowid, title, body, tags) VALUES (2 * new.seq, '', new.text, '');"
_ENTRY = "INSERT INTO search(rowid, title, body, tags) VALUES (2 * new.seq + 1, new.title, new.text, new.tags);"
_INDEXED = (
    f"CREATE TRIGGER message_added AFTER INSERT ON messages BEGIN {_MESSAGE} END",
    f"""CREATE TRIGGER message_changed AFTER UPDATE OF text ON messages BEGIN
        DELETE FROM search WHERE rowid = 2 * old.seq; {_MESSAGE} END""",
    "CREATE TRIGGER message_gone AFTER DELETE ON messages BEGIN DELETE FROM search WHERE rowid = 2 * old.seq; END",
    f"CREATE TRIGGER entry_added AFTER INSERT ON entries BEGIN {_ENTRY} END",
    f"""CREATE TRIGGER entry_changed AFTER UPDATE OF title, text, tags ON entries BEGIN
        DELETE FROM search WHERE rowid = 2 * old.seq + 1; {_ENTRY} END""",
    "CREATE TRIGGER entry_gone AFTER DELETE ON entries BEGIN DELETE FROM search WHERE rowid = 2 * old.seq + 1; END",
)

STEPS = [_sessions_and_messages, _entries_versions_and_search]

migrations = Migrations("quietroom")
for number, step in enumerate(STEPS, start=1):
    migrations(name=f"{number:04}{step.__name__}")(step)
