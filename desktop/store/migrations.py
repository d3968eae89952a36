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


def _all_that_is_kept(db: Database) -> None:
    for statement in (
        "ALTER TABLE entries ADD COLUMN exercise_id TEXT",
        # Fields of an import that have no place here, as a JSON object.
        "ALTER TABLE entries ADD COLUMN extra TEXT NOT NULL DEFAULT '{}'",
        "ALTER TABLE sessions ADD COLUMN extra TEXT NOT NULL DEFAULT '{}'",
        """CREATE TABLE message_versions (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT NOT NULL REFERENCES messages(id) ON DELETE CASCADE,
            saved_at TEXT NOT NULL, text TEXT NOT NULL
        ) STRICT""",
        "CREATE INDEX message_versions_by_message ON message_versions(message_id, seq)",
        """CREATE TABLE exercises_done (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, exercise TEXT NOT NULL,
            answers TEXT NOT NULL, session_id TEXT REFERENCES sessions(id) ON DELETE SET NULL,
            created_at TEXT NOT NULL, zone TEXT NOT NULL, deleted_at TEXT
        ) STRICT""",
        # Values, goals and things to know; the sections of the plan for hard moments, one row a section.
        """CREATE TABLE notes (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
            text TEXT NOT NULL, origin TEXT NOT NULL CHECK (origin IN ('written', 'confirmed')),
            created_at TEXT NOT NULL, zone TEXT NOT NULL, updated_at TEXT NOT NULL, deleted_at TEXT
        ) STRICT""",
        "CREATE INDEX notes_by_kind ON notes(kind, seq)",
        """CREATE TABLE note_versions (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, note_id TEXT NOT NULL REFERENCES notes(id) ON DELETE CASCADE,
            saved_at TEXT NOT NULL, text TEXT NOT NULL
        ) STRICT""",
        """CREATE TABLE safety_events (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, level TEXT NOT NULL, category TEXT NOT NULL,
            session_id TEXT REFERENCES sessions(id) ON DELETE CASCADE, message_id TEXT REFERENCES messages(id)
            ON DELETE CASCADE, created_at TEXT NOT NULL, zone TEXT NOT NULL
        ) STRICT""",
        """CREATE TABLE attachments (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
            entry_id TEXT NOT NULL REFERENCES entries(id) ON DELETE CASCADE,
            name TEXT NOT NULL, media_type TEXT NOT NULL, content BLOB NOT NULL, created_at TEXT NOT NULL
        ) STRICT""",
        "CREATE INDEX attachments_by_entry ON attachments(entry_id, seq)",
        # What an import brought, so that it can be undone and is kept once; `source_key` names it in its file.
        """CREATE TABLE imports (
            id TEXT PRIMARY KEY, format TEXT NOT NULL, file_name TEXT NOT NULL, created_at TEXT NOT NULL
        ) STRICT""",
        """CREATE TABLE imported (
            import_id TEXT NOT NULL REFERENCES imports(id) ON DELETE CASCADE, kind TEXT NOT NULL,
            thing_id TEXT NOT NULL, source_key TEXT NOT NULL UNIQUE
        ) STRICT""",
    ):
        db.execute(statement)


STEPS = [_sessions_and_messages, _entries_versions_and_search, _all_that_is_kept]

migrations = Migrations("quietroom")
for number, step in enumerate(STEPS, start=1):
    migrations(name=f"{number:04}{step.__name__}")(step)
