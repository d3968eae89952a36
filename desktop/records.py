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


class Level(StrEnum):
    """How much care a message asks for, rising."""

    NONE = "none"
    SENSITIVE = "sensitive"
    HIGH = "high"
    CRISIS = "crisis"

    @property
    def rank(self) -> int:
        """0 for none up to 3 for crisis."""
        return list(Level).index(self)


class Category(StrEnum):
    """What a message is about, as far as care is concerned."""

    SUICIDE = "suicide"
    SELF_HARM = "self_harm"
    HARM_OTHERS = "harm_others"
    ABUSE = "abuse"
    MEDICAL_EMERGENCY = "medical_emergency"
    PSYCHOSIS = "psychosis"
    EATING = "eating"
    SUBSTANCE = "substance"
    DIAGNOSIS_REQUEST = "diagnosis_request"
    MEDICATION = "medication"
    GRIEF = "grief"
    THIRD_PARTY = "third_party"
    PAST = "past"
    FIGURATIVE = "figurative"
    EVERYDAY = "everyday"


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
    exercise_id: str | None = None


class NoteKind(StrEnum):
    """What a note is: a value, a goal, a thing to know about the person, or a section of the plan for hard moments."""

    VALUE = "value"
    GOAL = "goal"
    FACT = "fact"
    PLAN_SIGNS = "plan_signs"
    PLAN_ALONE = "plan_alone"
    PLAN_PLACES = "plan_places"
    PLAN_PEOPLE = "plan_people"
    PLAN_PROFESSIONALS = "plan_professionals"
    PLAN_SAFER = "plan_safer"
    PLAN_REASONS = "plan_reasons"


class Origin(StrEnum):
    """Whether the person wrote a note or confirmed what was proposed."""

    WRITTEN = "written"
    CONFIRMED = "confirmed"


@dataclass(frozen=True)
class Note:
    """Something short that stays true beyond one day. Times, zone and `deleted_at` as in a Session."""

    id: str
    kind: NoteKind
    text: str
    origin: Origin
    created_at: str
    zone: str
    updated_at: str
    deleted_at: str | None = None


@dataclass(frozen=True)
class ExerciseDone:
    """One exercise gone through; `exercise` is its name among the resources, `answers` (question, words written)."""

    id: str
    exercise: str
    answers: tuple[tuple[str, str], ...]
    session_id: str | None
    created_at: str
    zone: str
    deleted_at: str | None = None


@dataclass(frozen=True)
class SafetyEvent:
    """That a message was raised: level and category, never words."""

    id: str
    level: Level
    category: Category
    session_id: str | None
    message_id: str | None
    created_at: str
    zone: str


@dataclass(frozen=True)
class Attachment:
    """A picture kept with an entry; its bytes are read apart. `size` in bytes."""

    id: str
    entry_id: str
    name: str
    media_type: str
    size: int
    created_at: str


@dataclass(frozen=True)
class Kept:
    """One thing in the calendar: `kind` is "session", "entry" or "exercise"."""

    kind: str
    id: str
    title: str
    created_at: str
    zone: str
    mood: int | None = None


@dataclass(frozen=True)
class DayKept:
    """How much a day holds; `day` is YYYY-MM-DD as it was on the wall, `moods` those of its entries."""

    day: str
    sessions: int
    entries: int
    exercises: int
    moods: tuple[int, ...]


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
