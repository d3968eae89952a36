"""Sessions and their messages. Every write is on the disk before its method returns; never reads the clock."""

from collections.abc import Iterator
from dataclasses import astuple
from typing import Any

from desktop.errors import UserError
from desktop.records import Message, ModelIdentity, Role, Session, State
from desktop.store.database import Vault, told

TITLE_LENGTH = 60
_COLUMNS = "id, title, created_at, updated_at, zone, deleted_at"

# An answer stands after the message that it answers, although later lines may have arrived before it ended.
_IN_ORDER = """
    SELECT m.* FROM messages m LEFT JOIN messages question ON question.id = m.reply_to
    WHERE m.session_id = ? ORDER BY coalesce(question.seq, m.seq), m.seq
"""


class Chats:
    """What was said, in the order of the talk."""

    def __init__(self, vault: Vault) -> None:
        self._db = vault.db
        self._path = vault.folder

    def start(self, session_id: str, first_words: str, time: str, zone: str = "UTC") -> Session:
        """Opens a session, titled by the first words said in it."""
        title = " ".join(first_words.replace("\0", " ").split())
        if len(title) > TITLE_LENGTH:
            title = title[: TITLE_LENGTH - 1].rstrip() + "…"
        session = Session(session_id, title, time, time, zone)
        self._write(f"INSERT INTO sessions ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", *astuple(session))
        return session

    def add(self, message: Message) -> None:
        """Keeps a message; it is durable when this returns. Raises UserError (disk_full ...)."""
        model = message.model
        with told(self._path), self._db.atomic():
            self._db.execute(
                "INSERT INTO messages (id, session_id, role, text, state, created_at, reply_to,"
                " model_name, model_sha256) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (message.id, message.session_id, message.role.value, message.text, message.state.value,
                 message.created_at, message.reply_to, model and model.name, model and model.sha256),
            )  # fmt: skip
            self._db.execute(
                "UPDATE sessions SET updated_at = ? WHERE id = ?", (message.created_at, message.session_id)
            )

    def update(self, message_id: str, text: str, state: State) -> None:
        """Keeps what an answer has grown to. Raises UserError (disk_full ...)."""
        self._write("UPDATE messages SET text = ?, state = ? WHERE id = ?", text, state.value, message_id)

    def edit(self, message_id: str, text: str, time: str) -> None:
        """Keeps what the person made of their words; those before stay among the versions. Raises UserError."""
        with told(self._path), self._db.atomic():
            row = self._db.execute("SELECT text, role FROM messages WHERE id = ?", (message_id,)).fetchone()
            if row is None or row[1] != Role.USER.value:
                raise UserError("no_message", id=message_id)
            self.add_version(message_id, time, row[0])
            self._db.execute("UPDATE messages SET text = ? WHERE id = ?", (text, message_id))

    def add_version(self, message_id: str, saved_at: str, text: str) -> None:
        """Keeps words that a message had until `saved_at`. Raises UserError."""
        self._write(
            "INSERT INTO message_versions (message_id, saved_at, text) VALUES (?, ?, ?)", message_id, saved_at, text
        )

    def versions(self, message_id: str) -> list[tuple[str, str]]:
        """(when it was replaced, words) before each edit of a message, the oldest first."""
        rows = self._read("SELECT saved_at, text FROM message_versions WHERE message_id = ? ORDER BY seq", message_id)
        return [(row["saved_at"], row["text"]) for row in rows]

    def sessions(self, limit: int = -1) -> list[Session]:
        """Sessions outside the bin, the one last written in first; all of them without a limit."""
        rows = self._read(
            f"SELECT {_COLUMNS} FROM sessions WHERE deleted_at IS NULL ORDER BY updated_at DESC, rowid DESC LIMIT ?",
            limit,
        )
        return [Session(**row) for row in rows]

    def session(self, session_id: str) -> Session:
        """One session, in the bin or not. Raises UserError("no_session") if there is none of that id."""
        for row in self._read(f"SELECT {_COLUMNS} FROM sessions WHERE id = ?", session_id):
            return Session(**row)
        raise UserError("no_session", id=session_id)

    def messages(self, session_id: str) -> Iterator[Message]:
        """The messages of a session in the order of the talk, an answer behind what it answers."""
        return map(_message, self._read(_IN_ORDER, session_id))

    def latest(self, session_id: str, count: int) -> list[Message]:
        """The last `count` messages of a session by arrival, the oldest of them first."""
        rows = self._read("SELECT * FROM messages WHERE session_id = ? ORDER BY seq DESC LIMIT ?", session_id, count)
        return [_message(row) for row in rows][::-1]

    def _write(self, statement: str, *values: object) -> None:
        with told(self._path):
            self._db.execute(statement, values)

    def _read(self, query: str, *values: object) -> Iterator[dict[str, Any]]:
        with told(self._path):
            yield from self._db.query(query, values)


def _message(row: dict[str, Any]) -> Message:
    model = ModelIdentity(row["model_name"], row["model_sha256"]) if row["model_name"] is not None else None
    return Message(
        id=row["id"],
        session_id=row["session_id"],
        role=Role(row["role"]),
        text=row["text"],
        state=State(row["state"]),
        created_at=row["created_at"],
        reply_to=row["reply_to"],
        model=model,
    )
