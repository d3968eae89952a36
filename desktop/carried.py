"""What goes out of a vault and comes into one: each thing with all that belongs to it. Never knows of any format."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from desktop.records import Entry, ExerciseDone, Message, Note, SafetyEvent, Session

KINDS = ("session", "entry", "exercise", "note", "safety")

Versions: TypeAlias = tuple[tuple[str, str], ...]
"""(when it was replaced, words) before each edit, the oldest first."""

T = TypeVar("T")


class Stream(Generic[T]):
    """Things that can be gone through more than once, each time from the start, and are never all in memory."""

    def __init__(self, start: Callable[[], Iterator[T]]) -> None:
        self._start = start

    def __iter__(self) -> Iterator[T]:
        return self._start()


@dataclass(frozen=True)
class Picture:
    """A picture of an entry; `load` gives its bytes."""

    id: str
    name: str
    media_type: str
    created_at: str
    load: Callable[[], bytes]


@dataclass(frozen=True)
class CarriedTalk:
    """A talk, its messages in the order of the talk, and the names of the models that wrote in it.

    Here as below, `extra` holds fields that have no place in a vault, and `source` names the thing in the app that
    it came from; it is None for what was written here.
    """

    session: Session
    messages: Iterable[tuple[Message, Versions]]
    models: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None


@dataclass(frozen=True)
class CarriedEntry:
    """An entry. `mood_label` is the word that another app had for the mood, where it had words."""

    entry: Entry
    versions: tuple[tuple[str, Entry], ...] = ()
    pictures: tuple[Picture, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None
    mood_label: str | None = None


@dataclass(frozen=True)
class CarriedNote:
    """A note, or a section of the plan."""

    note: Note
    versions: Versions = ()


@dataclass(frozen=True)
class CarriedExercise:
    """An exercise gone through."""

    exercise: ExerciseDone


@dataclass(frozen=True)
class CarriedEvent:
    """That a message was raised."""

    event: SafetyEvent


@dataclass(frozen=True)
class Skipped:
    """Something that an import leaves out: `what` and `reason` are codes, `where` finds it in the file."""

    reason: str
    where: str


Carried: TypeAlias = CarriedTalk | CarriedEntry | CarriedNote | CarriedExercise | CarriedEvent


@dataclass(frozen=True)
class Belongings:
    """All that is taken out, outside the bin; each stream can be gone through more than once."""

    sessions: Iterable[CarriedTalk]
    entries: Iterable[CarriedEntry]
    exercises: Iterable[CarriedExercise]
    notes: Iterable[CarriedNote]
    events: Iterable[CarriedEvent]
    is_part: bool = False


@dataclass(frozen=True)
class Selection:
    """What of it is wanted. Days (YYYY-MM-DD, "" for no limit, both counted) are those on the wall at the time."""

    start: str = ""
    end: str = ""
    kinds: frozenset[str] = frozenset(KINDS)
    session_id: str | None = None

    @property
    def is_part(self) -> bool:
        """Whether anything is left out by it."""
        return self != Selection()


WHOLE = Selection()
