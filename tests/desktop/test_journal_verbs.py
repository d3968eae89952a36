"""The journal from the terminal: entries, search, the bin, going on with the last talk."""

from pathlib import Path

import pytest
from support.programs import Talk, export, run, texts


class Desk:
    """Commands on one data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def do(self, *arguments: str | Path, stdin: str = "") -> str:
        command, *rest = arguments
        done = run("quietroom", command, *rest, "--data-dir", self.folder, stdin=stdin.encode())
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    def refused(self, *arguments: str | Path, stdin: str = "") -> str:
        command, *rest = arguments
        done = run("quietroom", command, *rest, "--data-dir", self.folder, stdin=stdin.encode())
        assert done.returncode == 2
        assert done.stderr.count(b"\n") == 1
        return done.stderr.decode()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "journal")


def test_an_entry_is_written_read_changed_and_its_past_is_kept(desk: Desk) -> None:
    options = ("--title", "Tuesday", "--mood", "6", "--sleep", "0", "--tag", "work", "--tag", "rain")
    name = desk.do("journal", "add", *options, stdin="It rained.\nI stayed in.\n").strip()
    shown = desk.do("journal", "show", name)
    assert "# Tuesday" in shown
    assert "mood 6, sleep 0" in shown
    assert "#work #rain" in shown
    assert shown.endswith("\n\nIt rained.\nI stayed in.\n")
    desk.do("journal", "edit", name, stdin="It rained all day.\n")
    assert "all day" in desk.do("journal", "show", name)
    assert "I stayed in." not in desk.do("journal", "show", name)
    assert "I stayed in." in desk.do("journal", "show", name, "--history")
    assert desk.do("journal", "list").split("\t")[0] == name


def test_search_finds_talks_and_entries_and_marks_the_words(desk: Desk, tiny: Path) -> None:
    name = desk.do("journal", "add", "--mood", "3", stdin="Thunder all night.").strip()
    run("quietroom", "talk", "--data-dir", desk.folder, "--model", tiny, stdin=b"There was thunder again.\n")
    found = [line.split("\t") for line in desk.do("search", "thund").splitlines()]
    assert {(kind, text) for kind, _, _, text in found} == {
        ("entry", "[Thunder] all night."),
        ("message", "There was [thunder] again."),
    }
    session = desk.do("sessions").split("\t")[0]
    assert {thing for _, thing, _, _ in found} == {name, session}
    assert len(desk.do("search", "thunder", "--kind", "entry").splitlines()) == 1
    assert desk.do("search", "thunder", "--least-mood", "5") == ""
    assert desk.do("search", "thunder", "--to", "2020-01-01") == ""
    assert "no word to look for" in desk.refused("search", "...")


def test_search_works_while_a_talk_is_open_and_writing_does_not(desk: Desk, tiny: Path) -> None:
    with Talk(desk.folder, tiny) as talk:
        talk.write(b"thunder\n")
        talk.wait_for()
        assert "[thunder]" in desk.do("search", "thunder")
        assert "already open" in desk.refused("journal", "add", stdin="x")


def test_the_bin(desk: Desk) -> None:
    name = desk.do("journal", "add", stdin="to be forgotten").strip()
    desk.do("bin", "put", name)
    assert desk.do("journal", "list") == ""
    assert name in desk.do("bin")
    desk.do("bin", "back", name)
    assert name in desk.do("journal", "list")
    desk.do("bin", "put", name)
    desk.do("bin", "empty")
    assert desk.do("bin", "list") == ""
    assert "no entry" in desk.refused("journal", "show", name)
    assert "nothing with the id" in desk.refused("bin", "back", name)
    assert "no talk and no entry" in desk.refused("bin", "put", name)


def test_nothing_is_not_kept(desk: Desk) -> None:
    desk.do("journal", "add", stdin="one")
    assert "nothing to keep" in desk.refused("journal", "add", stdin=" \n")
    assert "not a number from 0 to 10" in desk.refused("journal", "add", "--mood", "11", stdin="x")
    assert "no entry" in desk.refused("journal", "edit", "nothing", stdin="x")


def test_the_last_talk_goes_on(desk: Desk, tiny: Path, tmp_path: Path) -> None:
    for number, options in enumerate([(), (), ("--continue",)]):
        model: tuple[str | Path, ...] = ("--model", tiny)
        done = run("quietroom", "talk", "--data-dir", desk.folder, *model, *options, stdin=f"line {number}\n".encode())
        assert done.returncode == 0
    talks = [texts([session]) for session in export(desk.folder, tmp_path / "out")]
    assert talks == [["line 0"], ["line 1", "line 2"]]


def test_looking_into_a_folder_without_a_journal_makes_none(desk: Desk) -> None:
    for verb in (("sessions",), ("search", "x"), ("journal", "list"), ("bin",)):
        assert "no journal" in desk.refused(*verb)
    assert not desk.folder.exists()
