"""Talks, entries, exercises and notes as pages to read, for all formats that show them. Never marks up anything."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC

from desktop import i18n
from desktop.carried import Belongings, CarriedEntry, CarriedExercise, CarriedTalk, Picture
from desktop.records import CheckIn, Message, NoteKind, Role, State
from desktop.walltime import local

AUTHORS = {Role.USER: "person", Role.ASSISTANT: "model", Role.WRITTEN: "written"}

_CHECK_IN = {
    "mood": "exported.mood",
    "tension": "exported.tension",
    "energy": "exported.energy",
    "sleep": "exported.sleep",
}
_NOTES = {
    NoteKind.VALUE: "exported.value",
    NoteKind.GOAL: "exported.goal",
    NoteKind.FACT: "exported.fact",
    NoteKind.PLAN_SIGNS: "exported.plan_signs",
    NoteKind.PLAN_ALONE: "exported.plan_alone",
    NoteKind.PLAN_PLACES: "exported.plan_places",
    NoteKind.PLAN_PEOPLE: "exported.plan_people",
    NoteKind.PLAN_PROFESSIONALS: "exported.plan_professionals",
    NoteKind.PLAN_SAFER: "exported.plan_safer",
    NoteKind.PLAN_REASONS: "exported.plan_reasons",
}

_NO_CHECK_IN = CheckIn()


@dataclass(frozen=True)
class Block:
    """Some words with a heading. `author` is person, model or written; `generator` says which model wrote them."""

    author: str
    heading: str
    text: str
    generator: str = ""


@dataclass(frozen=True)
class Page:
    """One thing to read. `text` is Markdown, `blocks` are plain."""

    kind: str
    id: str
    title: str
    created_at: str
    updated_at: str
    zone: str
    text: str = ""
    blocks: Iterable[Block] = ()
    check_in: CheckIn = _NO_CHECK_IN
    feelings: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    models: tuple[str, ...] = ()

    @property
    def facts(self) -> list[str]:
        """What of the check-in was given, and the feelings, for a reader."""
        gauges = {_CHECK_IN[name]: value for name, value in asdict(self.check_in).items() if value is not None}
        said = [i18n.text("exported.gauge", name=i18n.text(name), value=value) for name, value in gauges.items()]
        return [*said, *self.feelings]


def pages(belongings: Belongings) -> Iterator[Page]:
    """All of them: talks, then entries, exercises and notes, the oldest first."""
    yield from map(_talk, belongings.sessions)
    yield from map(_entry, belongings.entries)
    yield from map(_exercise, belongings.exercises)
    for carried in belongings.notes:
        note = carried.note
        title = i18n.text(_NOTES[note.kind])
        block = Block("person", "", note.text)
        yield Page("note", note.id, title, note.created_at, note.updated_at, note.zone, blocks=(block,))


def moment(time: str, zone: str) -> str:
    """A time as it was on the wall, to the minute, with its zone."""
    wall = local(time, zone)
    return f"{wall:%Y-%m-%d %H:%M} {'UTC' if wall.tzinfo is UTC else zone}"


def _talk(talk: CarriedTalk) -> Page:
    session = talk.session
    title = session.title or i18n.text("exported.talk")
    blocks = (_block(message, session.zone) for message, _ in talk.messages)
    return Page(
        "talk", session.id, title, session.created_at, session.updated_at, session.zone,
        blocks=blocks, models=talk.models,
    )  # fmt: skip


def _block(message: Message, zone: str) -> Block:
    name = message.model.name if message.model else "?"
    who = {
        Role.USER: i18n.text("journal.you"),
        Role.ASSISTANT: i18n.text("journal.model", name=name),
        Role.WRITTEN: i18n.text("journal.written"),
    }
    parts = [who[message.role], moment(message.created_at, zone)]
    if message.state == State.INTERRUPTED:
        parts.append(i18n.text("journal.interrupted"))
    generator = ""
    if message.role == Role.ASSISTANT:
        generator = f"{name} sha256:{message.model.sha256}" if message.model else name
    return Block(AUTHORS[message.role], " · ".join(parts), message.text, generator)


def _entry(carried: CarriedEntry) -> Page:
    entry = carried.entry
    return Page(
        "entry", entry.id, entry.title, entry.created_at, entry.updated_at, entry.zone,
        text=entry.text, check_in=entry.check_in, feelings=entry.feelings, tags=entry.tags,
        pictures=carried.pictures,
    )  # fmt: skip


def _exercise(carried: CarriedExercise) -> Page:
    done = carried.exercise
    blocks = tuple(Block("person", question, words) for question, words in done.answers)
    title = i18n.text("exported.exercise", name=done.exercise)
    return Page("exercise", done.id, title, done.created_at, done.created_at, done.zone, blocks=blocks)
