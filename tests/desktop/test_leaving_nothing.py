"""Words that must not be anywhere: the grep through every path, and the talk that leaves nothing."""

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.programs import BIN, PATIENCE, Talk

SECRET = "Zephyrquilt"
PNG = b"\x89PNG\r\n\x1a\n"


class Place:
    """A journal, a temporary folder and a home of their own."""

    def __init__(self, root: Path, model: Path) -> None:
        self.root, self.model, self.folder = root, model, root / "journal"

    def do(self, *arguments: str | Path, stdin: str = "", code: int = 0) -> str:
        command, *rest = arguments
        done = subprocess.run(
            [BIN / "quietroom", command, "--data-dir", self.folder, *rest],
            input=stdin.encode(), capture_output=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        return done.stdout.decode()

    def found(self) -> list[str]:
        """Files below the root that hold the secret, in clear and in the codings that a program may use."""
        forms = [form for word in (SECRET, SECRET.lower()) for form in (word.encode(), word.encode("utf-16-le"))]
        files = [path for path in self.root.rglob("*") if path.is_file()]
        assert files
        return [str(path) for path in files if any(form in path.read_bytes() for form in forms)]


@pytest.fixture
def place(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    root = tmp_path / "root"
    for name in ("tmp", "home", "log"):
        (root / name).mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(root / "tmp"))
    monkeypatch.setenv("HOME", str(root / "home"))
    monkeypatch.setenv("XDG_STATE_HOME", str(root / "log"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(root / "cache"))
    yield Place(root, tiny)


def test_a_word_sent_through_every_path_is_nowhere_in_clear(place: Place, tmp_path: Path) -> None:
    words = f"I saw a {SECRET} today."
    name = place.do("journal", "add", "--title", SECRET, "--tag", SECRET, "--mood", "3", stdin=words).strip()
    place.do("journal", "edit", name, stdin=f"{words} And again.")
    note = place.do("note", "add", "--kind", "value", stdin=words).strip()
    place.do("note", "edit", note, stdin=f"{words} Still.")
    place.do("plan", "edit", "people", stdin=words)
    picture = tmp_path / f"{SECRET}.png"
    picture.write_bytes(PNG + SECRET.encode() * 100)
    place.do("attach", name, picture)
    assert f"[{SECRET}]" in place.do("search", SECRET)
    with Talk(place.folder, place.model) as talk:
        talk.write(words.encode() + b"\n")
        talk.wait_for()
        assert place.found() == []
        # A crash: the program is killed while it answers.
        talk.kill()
    assert place.found() == []
    assert SECRET in place.do("search", SECRET)
    out = place.root / "out.json"
    place.do("export", "--format", "json", "--out", out)
    assert place.found() == [str(out)]
    out.unlink()
    place.do("backup", place.root / "copy.backup")
    place.do("export", "--format", "nothing", "--out", out, code=2)
    assert place.found() == []


def test_a_bug_writes_no_word_into_the_log(place: Place) -> None:
    script = (
        "import sys; from desktop.app.bugs import install_excepthook; install_excepthook(lambda: None)\n"
        f"def tell(words): raise ValueError('it was ' + words)\ntell('{SECRET}')"
    )
    subprocess.run([BIN / "python", "-c", script], capture_output=True, timeout=PATIENCE, check=False)
    assert [path for path in place.root.rglob("*") if path.is_file() and b"ValueError" in path.read_bytes()]
    assert place.found() == []


def test_a_talk_that_leaves_nothing_leaves_nothing(place: Place, tmp_path: Path) -> None:
    place.do("journal", "add", stdin="an ordinary day")
    with Talk(place.folder, place.model, "--leave-nothing") as talk:
        talk.wait_for(notice=b"leaves nothing")
        talk.write(f"I want to kill myself, {SECRET}.\n".encode())
        talk.wait_for()
        talk.write(f"Only {SECRET}, tell me more.\n".encode())
        talk.wait_for()
        assert place.found() == []
        assert place.do("search", SECRET) == ""
        assert talk.end() == 0
        assert b"kept as" not in talk.notices
    assert place.do("sessions") == place.do("noticed") == place.do("search", SECRET) == ""
    assert place.found() == []


def test_the_folder_does_not_grow_by_a_talk_that_leaves_nothing(place: Place) -> None:
    place.do("journal", "add", stdin="an ordinary day")
    with Talk(place.folder, place.model, "--leave-nothing") as talk:
        talk.wait_for(notice=b"Talking with")
        before = {path.name: path.stat().st_size for path in place.folder.iterdir()}
        talk.write(b"words " * 20_000 + b"\n")
        talk.write(b"hello\n")
        talk.wait_for()
        assert {path.name: path.stat().st_size for path in place.folder.iterdir()} == before
        assert not any(os.scandir(place.root / "tmp"))


def test_the_files_are_no_plain_database(place: Place) -> None:
    place.do("journal", "add", stdin="an ordinary day")
    plain = sqlite3.connect(place.folder / "journal.db")
    with pytest.raises(sqlite3.DatabaseError):
        plain.execute("SELECT * FROM entries")
    plain.close()
