"""Entries, search, versions and the bin, in the real encrypted file."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.pages import decrypted_pages

from desktop.errors import UserError
from desktop.records import CheckIn, Entry, Message, Role, State
from desktop.store.bin import Bin
from desktop.store.chats import Chats
from desktop.store.database import Vault
from desktop.store.journals import Journals
from desktop.store.search import Filter, Search

TIME = "2026-11-24T00:00:00.000000Z"
LATER = "2026-11-25T00:00:00.000000Z"


class Book:
    """An open vault with everything that works on it."""

    def __init__(self, folder: Path) -> None:
        self.vault = Vault.open(folder)
        self.chats, self.journals = Chats(self.vault), Journals(self.vault)
        self.search, self.bin = Search(self.vault), Bin(self.vault)

    def say(self, number: int, text: str, session: str = "s", time: str = TIME) -> None:
        if session not in {one.id for one in self.chats.sessions()}:
            self.chats.start(session, text, time)
        self.chats.add(Message(f"m{number}", session, Role.USER, text, State.DONE, time))

    def found(self, words: str, chosen: Filter | None = None) -> list[str]:
        return [one.id for one in self.search.find(words, chosen)]


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "v")


def entry(name: str, text: str, time: str = TIME, **more: object) -> Entry:
    return replace(Entry(name, f"Title of {name}", text, time, "Europe/Berlin", time), **more)  # type: ignore[arg-type]


def test_entries_come_back_as_they_were(book: Book) -> None:
    written = entry(
        "e", "text\0 é", check_in=CheckIn(7, None, 0, 10), feelings=("calm", 'a "b"'), tags=("work", "träume")
    )
    book.journals.add(written)
    assert book.journals.entry("e") == written
    assert list(book.journals.entries()) == [written]
    with pytest.raises(UserError, match="no_entry"):
        book.journals.entry("nothing")


def test_an_edit_keeps_what_was_before(book: Book) -> None:
    first = entry("e", "one", tags=("a",), check_in=CheckIn(mood=3))
    second, third = replace(first, text="two", updated_at=LATER), replace(first, text="three", updated_at=LATER)
    book.journals.add(first)
    book.journals.edit(second)
    book.journals.edit(third)
    assert book.journals.entry("e") == third
    assert book.journals.versions("e") == [first, second]
    assert book.found("three") == ["e"]
    assert book.found("one") == []


def test_words_are_found_however_they_are_written(book: Book) -> None:
    book.say(1, "The café on Königstraße was closed; we walked home.")
    book.journals.add(entry("e", "Walking home alone, again."))
    assert book.found("cafe") == ["m1"]
    assert book.found("KÖNIG") == ["m1"]
    assert set(book.found("walk home")) == {"m1", "e"}
    assert book.found('"walked home"') == ["m1"]
    assert book.found('"home walked"') == []
    assert book.found("title of") == ["e"]
    for nothing in ("", '"', "!!!", "   "):
        with pytest.raises(UserError, match="nothing_to_find"):
            book.found(nothing)


def test_signs_of_the_query_language_are_just_text(book: Book) -> None:
    book.say(1, "NEAR AND OR NOT a:b c-d (e) f* ^g")
    for words in ("AND", "a:b", "c-d", "(e)", "f*", "NEAR(", "^g", "near and or not", 'x" OR "a'):
        assert book.found(words) == ([] if words.startswith("x") else ["m1"])


def test_found_words_are_marked_in_a_piece_of_the_text(book: Book) -> None:
    book.say(1, "word " * 100 + "the Élan of it " + "word " * 100)
    (found,) = book.search.find("elan")
    assert len(found.text) <= 160
    assert [found.text[start:end] for start, end in found.marks] == ["Élan"]


def test_filters(book: Book) -> None:
    book.say(1, "rain")
    book.journals.add(entry("low", "rain", check_in=CheckIn(mood=2), tags=("walk",)))
    book.journals.add(entry("high", "rain", LATER, check_in=CheckIn(mood=8)))
    assert book.found("rain") == ["high", "m1", "low"]
    assert book.found("rain", Filter(kind="message")) == ["m1"]
    assert book.found("rain", Filter(kind="entry")) == ["high", "low"]
    assert book.found("rain", Filter(start=LATER)) == ["high"]
    assert book.found("rain", Filter(end=LATER)) == ["m1", "low"]
    assert book.found("rain", Filter(tag="walk")) == ["low"]
    assert book.found("rain", Filter(least_mood=5)) == ["high"]
    assert book.found("rain", Filter(most_mood=5)) == ["low"]


def test_an_answer_is_found_by_what_it_became(book: Book) -> None:
    book.say(1, "question")
    book.chats.add(Message("a", "s", Role.ASSISTANT, "half", State.INTERRUPTED, TIME, "m1"))
    book.chats.update("a", "wholeness", State.DONE)
    assert book.found("wholeness") == ["a"]
    assert book.found("half") == []


def test_the_bin_hides_and_gives_back(book: Book) -> None:
    book.say(1, "a talk about rain")
    book.journals.add(entry("e", "rain"))
    book.bin.put("s", LATER)
    book.bin.put("e", LATER)
    assert book.found("rain") == []
    assert book.chats.sessions() == []
    assert list(book.journals.entries()) == []
    assert {(kind, name) for kind, name, _, _ in book.bin.contents()} == {("session", "s"), ("entry", "e")}
    with pytest.raises(UserError, match="nothing_there"):
        book.bin.put("e", LATER)
    book.bin.take_back("s")
    book.bin.take_back("e")
    assert set(book.found("rain")) == {"m1", "e"}
    with pytest.raises(UserError, match="not_in_bin"):
        book.bin.take_back("e")


def test_erased_is_erased(book: Book) -> None:
    """Nothing of it is left in the decrypted file: rows, free pages, versions, index, log."""
    secret = "aubergine"
    book.say(1, f"{secret} talk " * 400)
    book.journals.add(entry("e", f"{secret} entry", tags=(secret,)))
    book.journals.edit(entry("e", f"{secret} edited", updated_at=LATER))
    book.say(2, "this stays", "other")

    def decrypted() -> bytes:
        book.vault.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return decrypted_pages(book.vault.folder / "journal.db", book.vault.key)

    assert secret.encode() in decrypted()
    book.bin.put("s", TIME)
    book.bin.put("e", LATER)
    assert book.bin.erase(LATER) == 1
    assert book.found(secret) == []
    assert [name for _, name, _, _ in book.bin.contents()] == ["e"]
    assert book.bin.erase("~") == 1
    assert secret.encode() not in decrypted()
    assert (book.vault.folder / "journal.db-wal").stat().st_size == 0
    assert book.found("stays") == ["m2"]
    assert book.search.is_sound()


def test_the_index_can_be_made_anew(book: Book) -> None:
    book.say(1, "rain")
    book.journals.add(entry("e", "rain"))
    assert book.search.is_sound()
    book.vault.db.execute("INSERT INTO search(search) VALUES ('delete-all')")
    assert not book.search.is_sound()
    assert book.found("rain") == []
    book.search.rebuild()
    assert book.search.is_sound()
    assert set(book.found("rain")) == {"m1", "e"}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_no_query_and_no_text_can_break_the_search(book: Book, text: str, query: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    name = f"p{book.vault.db['messages'].count}"
    book.chats.start(name, text, TIME)
    book.chats.add(Message(name, name, Role.USER, text, State.DONE, TIME))
    try:
        for found in book.search.find(query.encode("utf-8", "replace").decode()):
            assert all(0 <= start < end <= len(found.text) for start, end in found.marks)
    except UserError as error:
        assert error.code == "nothing_to_find"
