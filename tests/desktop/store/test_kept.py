"""Notes, exercises, safety events, pictures and edited messages, in the real encrypted file."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from support.pages import decrypted_pages

from desktop.errors import UserError
from desktop.records import (
    Category,
    CheckIn,
    Entry,
    ExerciseDone,
    Level,
    Message,
    Note,
    NoteKind,
    Origin,
    Role,
    SafetyEvent,
    State,
)
from desktop.store.attachments import MOST_BYTES, Attachments
from desktop.store.bin import Bin
from desktop.store.calendar import Calendar
from desktop.store.chats import Chats
from desktop.store.database import Vault
from desktop.store.exercises_done import ExercisesDone
from desktop.store.journals import Journals
from desktop.store.notes import PLAN, Notes
from desktop.store.safety_events import SafetyEvents
from desktop.store.search import Filter, Search

TIME = "2026-11-24T00:00:00.000000Z"
LATER = "2026-11-25T00:00:00.000000Z"
SECRET = "xylophone-heron"
PNG = b"\x89PNG\r\n\x1a\n"


class House:
    """An open vault with every store on it."""

    def __init__(self, folder: Path) -> None:
        self.vault = vault = Vault.open(folder)
        self.chats, self.journals, self.notes = Chats(vault), Journals(vault), Notes(vault)
        self.done, self.events, self.pictures = ExercisesDone(vault), SafetyEvents(vault), Attachments(vault)
        self.bin, self.search, self.calendar = Bin(vault), Search(vault), Calendar(vault)

    def decrypted(self) -> bytes:
        self.vault.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return decrypted_pages(self.vault.folder / "journal.db", self.vault.key)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "v")


def note(name: str = "n", text: str = "words", kind: NoteKind = NoteKind.VALUE) -> Note:
    return Note(name, kind, text, Origin.WRITTEN, TIME, "Europe/Berlin", TIME)


def done(name: str = "x", words: str = "words") -> ExerciseDone:
    return ExerciseDone(name, "breathing", (("How was it?", words), ("And now?", "")), None, TIME, "UTC")


def entry(name: str = "e", text: str = "words", time: str = TIME, zone: str = "UTC", mood: int | None = None) -> Entry:
    return Entry(name, "", text, time, zone, time, CheckIn(mood=mood), exercise_id="x")


def say(house: House, text: str = "words", name: str = "m") -> None:
    house.chats.start(f"s-{name}", text, TIME)
    house.chats.add(Message(name, f"s-{name}", Role.USER, text, State.DONE, TIME))


def test_everything_comes_back_as_it_was_kept_also_after_closing(house: House) -> None:
    say(house)
    event = SafetyEvent("v", Level.CRISIS, Category.SUICIDE, "s-m", "m", TIME, "Europe/Berlin")
    house.notes.add(note())
    house.done.add(done())
    house.journals.add(entry())
    house.events.add(event)
    kept = house.pictures.add("p", "e", "sea.png", PNG + b"\0" * 50, TIME)
    house.vault.close()
    again = House(house.vault.folder)
    assert list(again.notes.notes()) == [note()]
    assert list(again.done.exercises()) == [done()]
    assert again.done.exercise("x") == done()
    assert again.journals.entry("e") == entry()
    assert again.events.events() == [event]
    assert again.pictures.attachments("e") == [kept]
    assert (kept.media_type, kept.size) == ("image/png", 58)
    assert again.pictures.content("p") == PNG + b"\0" * 50


def test_edits_keep_what_was_before(house: House) -> None:
    house.notes.add(note())
    house.notes.edit(replace(note(), text="second", updated_at=LATER))
    house.notes.edit(replace(note(), text="third", updated_at=LATER))
    assert house.notes.note("n").text == "third"
    assert house.notes.versions("n") == [(LATER, "words"), (LATER, "second")]
    say(house)
    house.chats.edit("m", "better words", LATER)
    assert [message.text for message in house.chats.messages("s-m")] == ["better words"]
    assert house.chats.versions("m") == [(LATER, "words")]
    assert [one.id for one in house.search.find("better")] == ["m"]


def test_an_answer_of_the_model_cannot_be_rewritten(house: House) -> None:
    say(house)
    house.chats.add(Message("a", "s-m", Role.ASSISTANT, "said", State.DONE, TIME, "m"))
    for name in ("a", "nobody"):
        with pytest.raises(UserError, match="no_message"):
            house.chats.edit(name, "never said", LATER)
    assert [message.text for message in house.chats.messages("s-m")] == ["words", "said"]


def test_kinds_are_told_apart_and_a_section_of_the_plan_is_the_one_outside_the_bin(house: House) -> None:
    house.notes.add(note("a", "kindness"))
    house.notes.add(note("b", "a run on Sundays", NoteKind.GOAL))
    house.notes.add(note("c", "my sister", NoteKind.PLAN_PEOPLE))
    assert [one.id for one in house.notes.notes([NoteKind.GOAL])] == ["b"]
    assert NoteKind.GOAL not in PLAN
    section = house.notes.section(NoteKind.PLAN_PEOPLE)
    assert section
    assert section.text == "my sister"
    house.bin.put("c", TIME)
    assert house.notes.section(NoteKind.PLAN_PEOPLE) is None
    house.bin.take_back("c")
    assert house.notes.section(NoteKind.PLAN_PEOPLE)


def test_notes_and_exercises_are_found_but_not_in_the_bin(house: House) -> None:
    house.notes.add(note(text="The Café by the sea"))
    house.done.add(done(words="I sat in the cafe"))
    found = house.search.find("cafe")
    assert {(one.kind, one.id) for one in found} == {("note", "n"), ("exercise", "x")}
    assert {one.text[start:end] for one in found for start, end in one.marks} == {"Café", "cafe"}
    assert [one.id for one in house.search.find("cafe", Filter(kind="note"))] == ["n"]
    assert [one.id for one in house.search.find("cafe", Filter(kind="exercise"))] == ["x"]
    assert house.search.find("cafe", Filter(kind="entry")) == []
    assert house.search.find("cafe", Filter(tag="sea")) == []
    assert [one.id for one in house.search.find("cafe sea")] == ["n"]
    for thing in ("n", "x"):
        house.bin.put(thing, TIME)
    assert house.search.find("cafe") == []
    assert {(kind, thing) for kind, thing, _, _ in house.bin.contents()} == {("note", "n"), ("exercise", "x")}
    assert not [*house.notes.notes(), *house.done.exercises()]


def test_erased_is_erased_for_all_of_them(house: House) -> None:
    house.notes.add(note(text=SECRET))
    house.notes.edit(replace(note(), text="harmless"))
    house.done.add(done(words=SECRET))
    say(house, SECRET)
    house.chats.edit("m", "harmless", LATER)
    house.journals.add(entry())
    house.pictures.add("p", "e", f"{SECRET}.png", PNG + SECRET.encode() * 1000, TIME)
    assert house.decrypted().count(SECRET.encode()) > 900
    for thing in ("n", "x", "s-m", "e"):
        house.bin.put(thing, TIME)
    assert house.bin.erase("~") == 4
    assert SECRET.encode() not in house.decrypted()
    for table in ("note_versions", "message_versions", "attachments", "notes", "exercises_done"):
        assert house.vault.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 0
    assert house.search.is_sound()


def test_a_picture_taken_away_is_gone_from_the_file(house: House) -> None:
    house.journals.add(entry())
    house.pictures.add("p", "e", "sea.png", PNG + SECRET.encode() * 1000, TIME)
    house.pictures.erase("p")
    assert SECRET.encode() not in house.decrypted()
    for act in (house.pictures.erase, house.pictures.content):
        with pytest.raises(UserError, match="no_picture"):
            act("p")


def test_only_pictures_of_a_bearable_size_are_kept(house: House) -> None:
    house.journals.add(entry())
    for content, code in (
        (b"#!/bin/sh", "picture_unknown"),
        (b"", "picture_unknown"),
        (b"<svg>", "picture_unknown"),
        (PNG + bytes(MOST_BYTES), "picture_too_large"),
    ):
        with pytest.raises(UserError, match=code):
            house.pictures.add("p", "e", "x.png", content, TIME)
    with pytest.raises(UserError, match="no_entry"):
        house.pictures.add("p", "nowhere", "x.png", PNG, TIME)
    kinds = [b"\xff\xd8\xff\xe0", b"GIF89a", b"RIFF\0\0\0\0WEBP"]
    found = [house.pictures.add(str(number), "e", "x", content, TIME) for number, content in enumerate(kinds)]
    assert [one.media_type for one in found] == ["image/jpeg", "image/gif", "image/webp"]


def test_safety_events_go_when_told_or_with_their_talk(house: House) -> None:
    for name in ("m", "k"):
        say(house, SECRET, name)
        house.events.add(SafetyEvent(f"v-{name}", Level.HIGH, Category.ABUSE, f"s-{name}", name, TIME, "UTC"))
    house.bin.put("s-m", TIME)
    house.bin.erase("~")
    assert [one.id for one in house.events.events()] == ["v-k"]
    assert house.events.delete("v-k") == 1
    assert house.events.events() == []
    assert b"v-k" not in house.decrypted()


def test_the_calendar_goes_by_the_day_on_the_wall(house: House) -> None:
    house.journals.add(entry("a", "late in Auckland", "2025-03-09T12:30:00.000000Z", "Pacific/Auckland", 4))
    house.journals.add(entry("b", "evening in New York", "2025-03-10T03:30:00.000000Z", "America/New_York", 7))
    house.journals.add(entry("c", "of an unknown zone", "2025-03-10T23:30:00.000000Z", "Nowhere/Land"))
    house.done.add(replace(done(), created_at="2025-03-10T10:00:00.000000Z"))
    house.chats.start("s", "hello", "2025-03-10T22:30:00.000000Z", "+02:00")
    days = {day.day: day for day in house.calendar.days(date(2025, 3, 1), date(2025, 3, 31))}
    assert list(days) == ["2025-03-09", "2025-03-10", "2025-03-11"]
    assert days["2025-03-09"].moods == (7,)
    assert (days["2025-03-10"].entries, days["2025-03-10"].exercises, days["2025-03-10"].moods) == (2, 1, (4,))
    assert days["2025-03-11"].sessions == 1
    assert house.calendar.days(date.min, date(2025, 3, 8)) == []
    assert len(house.calendar.days(date.min, date.max)) == 3
    assert {one.id for one in house.calendar.on_this_day(date(2026, 3, 10))} == {"a", "c", "x"}
    assert [one.id for one in house.calendar.on_this_day(date(2026, 3, 9))] == ["b"]
    assert house.calendar.on_this_day(date(2025, 3, 10)) == []


def test_a_leap_day_comes_back_on_leap_days(house: House) -> None:
    house.journals.add(entry("a", "words", "2024-02-29T12:00:00.000000Z"))
    assert [one.id for one in house.calendar.on_this_day(date(2028, 2, 29))] == ["a"]
    assert house.calendar.on_this_day(date(2025, 2, 28)) == house.calendar.on_this_day(date(2025, 3, 1)) == []
