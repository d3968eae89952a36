"""The values that cross every boundary, frozen. Never imports anything but the standard library."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Who wrote a message: the person, the model, or the safety layer (a written reply)."""

    USER = "user"
    ASSISTANT = "assistant"
    WRITTEN = "written"


class State(StrEnum):
    """Whether a message is whole. An answer counts as interrupted until it has ended."""

    DONE = "done"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class ModelIdentity:
    """Which model wrote an answer: the name in its file, and the file's SHA-256 as 64 hex digits."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Session:
    """One talk. Times are UTC, ISO 8601 with microseconds and "Z"; `title` is its first words."""

    id: str
    title: str
    created_at: str
    updated_at: str


@dataclass(frozen=True)
class Message:
    """One thing said in a session. `reply_to` is the id of the message that an answer answers."""

    id: str
    session_id: str
    role: Role
    text: str
    state: State
    created_at: str
    reply_to: str | None = None
    model: ModelIdentity | None = None
