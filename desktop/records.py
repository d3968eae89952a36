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
    """One talk. Times are UTC, ISO 8601 with microseconds and "Z"; `title` is its first words.

    `zone` is the name of the time zone it was begun in; `deleted_at` is set while it lies in the bin.
    """

    id: str
    title: str
    created_at: str
    updated_at: str
    zone: str = "UTC"
    deleted_at: str | None = None


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


@dataclass(frozen=True)
class CheckIn:
    """How the person is, each from 0 to 10 and each optional: no cut-off and no meaning beyond their own."""

    mood: int | None = None
    tension: int | None = None
    energy: int | None = None
    sleep: int | None = None


@dataclass(frozen=True)
class Entry:
    """One journal entry; `text` is Markdown. Times, zone and `deleted_at` as in a Session."""

    id: str
    title: str
    text: str
    created_at: str
    zone: str
    updated_at: str
    check_in: CheckIn = CheckIn()
    feelings: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    session_id: str | None = None
    deleted_at: str | None = None


@dataclass(frozen=True)
class Found:
    """A place where searched words stand. `marks` are (start, end) of the words within `text`."""

    kind: str
    id: str
    session_id: str | None
    created_at: str
    title: str
    text: str
    marks: tuple[tuple[int, int], ...]
