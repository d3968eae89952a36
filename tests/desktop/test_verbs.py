"""Locks from the terminal: as a person or a script sets, changes, forgets and recovers a passphrase."""

import os
import re
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from support.programs import BIN, export, run, texts

from desktop.store.locks import Locks

Done = subprocess.CompletedProcess[bytes]


class Desk:
    """One data folder and some files with words in them."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder = folder
        self.journal = folder / "journal"
        self.model = model

    def note(self, name: str, words: str) -> Path:
        path = self.folder / name
        path.write_text(words + "\n")
        return path

    def do(self, verb: str, *arguments: str | Path) -> Done:
        return run("quietroom", verb, "--data-dir", self.journal, *arguments)

    def talk(self, words: str, *arguments: str | Path) -> Done:
        model: tuple[str | Path, ...] = ("--model", self.model)
        return run("quietroom", "talk", "--data-dir", self.journal, *model, *arguments, stdin=words.encode() + b"\n")

    def kept(self, *arguments: str | Path) -> bytes:
        out = self.folder / "out.json"
        out.unlink(missing_ok=True)
        done = self.do("export", "--format", "json", "--out", out, *arguments)
        assert done.returncode == 0, done.stderr
        return out.read_bytes()


@pytest.fixture
def desk(tmp_path: Path, tiny: Path) -> Desk:
    return Desk(tmp_path, tiny)


def code_in(done: Done) -> str:
    assert done.returncode == 0, done.stderr
    found = re.search(rb"(?:[A-Z2-7]{5}-){7}[A-Z2-7]{5}", done.stdout + done.stderr)
    assert found
    return found[0].decode()


def test_a_first_talk_without_a_passphrase_says_what_protects_nothing(desk: Desk) -> None:
    first = desk.talk("hello")
    assert b"protects nothing from someone who has the disk" in first.stderr
    assert b"protects nothing" not in desk.talk("again").stderr


def test_a_first_talk_with_a_passphrase_gives_a_recovery_code_once(desk: Desk) -> None:
    right, wrong = desk.note("right", "four quiet garden words"), desk.note("wrong", "not these words at all")
    code = code_in(desk.talk("hello", "--passphrase-file", right))
    assert not (desk.journal / "key").exists()
    for refused in (desk.talk("x"), desk.talk("x", "--passphrase-file", wrong)):
        assert refused.returncode == 2
        assert refused.stderr.count(b"\n") == 1
        assert refused.stdout == b""
    again = desk.talk("again", "--passphrase-file", right)
    assert again.returncode == 0
    assert code.encode() not in again.stderr
    kept = desk.kept("--passphrase-file", right)
    assert kept.index(b'"hello"') < kept.index(b'"again"')


def test_a_passphrase_is_set_changed_and_taken_away_without_rewriting_the_journal(desk: Desk) -> None:
    desk.talk("hello")
    before = (desk.journal / "journal.db").read_bytes()
    old, new = desk.note("old", "the first long words"), desk.note("new", "the second long words")
    code_in(desk.do("passphrase", "--new-passphrase-file", old))
    assert not (desk.journal / "key").exists()
    assert desk.do("passphrase", "--new-passphrase-file", new).returncode == 2
    code_in(desk.do("passphrase", "--passphrase-file", old, "--new-passphrase-file", new))
    assert desk.do("export", "--format", "json", "--out", "/x", "--passphrase-file", old).returncode == 2
    assert (desk.journal / "journal.db").read_bytes() == before
    desk.kept("--passphrase-file", new)
    opened = desk.do("passphrase", "--passphrase-file", new, "--remove")
    assert opened.returncode == 0
    assert b"protects nothing" in opened.stderr
    assert b'"hello"' in desk.kept()


def test_a_short_passphrase_changes_nothing(desk: Desk) -> None:
    desk.talk("hello")
    done = desk.do("passphrase", "--new-passphrase-file", desk.note("short", "1234567"))
    assert done.returncode == 2
    assert b"at least 8" in done.stderr
    assert desk.talk("again").returncode == 0


def test_a_forgotten_passphrase_is_replaced_by_the_recovery_code(desk: Desk) -> None:
    forgotten, new = desk.note("forgotten", "words that went away"), desk.note("new", "words that stayed here")
    code = code_in(desk.talk("hello", "--passphrase-file", forgotten))
    slip = code.replace(code[0], "A" if code[0] != "A" else "B", 1)
    for wrong in (slip, "AAAAA-" * 7 + "AAAAA", "hello"):
        done = desk.do("unlock", "--recovery", "--recovery-file", desk.note("c", wrong), "--new-passphrase-file", new)
        assert done.returncode == 2
        assert b"Nothing was changed" in done.stderr
    spaced = desk.note("code", code.lower().replace("-", " "))
    fresh = code_in(desk.do("unlock", "--recovery", "--recovery-file", spaced, "--new-passphrase-file", new))
    assert fresh != code
    assert b'"hello"' in desk.kept("--passphrase-file", new)
    used = desk.do("unlock", "--recovery", "--recovery-file", desk.note("c", code), "--new-passphrase-file", new)
    assert used.returncode == 2


def test_rekey_makes_everything_old_useless(desk: Desk) -> None:
    words = desk.note("words", "words for a locked room")
    code = code_in(desk.talk("hello", "--passphrase-file", words))
    old_database = (desk.journal / "journal.db").read_bytes()
    fresh = code_in(desk.do("rekey", "--passphrase-file", words))
    assert fresh != code
    assert not (desk.journal / "journal.db").exists()
    (new,) = desk.journal.glob("journal-*.db")
    assert new.read_bytes()[:4096] != old_database[:4096]
    assert new.stat().st_mode & 0o777 == 0o600
    assert b'"hello"' in desk.kept("--passphrase-file", words)
    assert desk.talk("again", "--passphrase-file", words).returncode == 0
    assert b'"again"' in desk.kept("--passphrase-file", words)


def test_rekey_with_a_key_file_makes_a_new_one(desk: Desk) -> None:
    desk.talk("hello")
    old = (desk.journal / "key").read_bytes()
    assert desk.do("rekey").returncode == 0
    assert not (desk.journal / "key").exists()
    (key,) = desk.journal.glob("key-*")
    assert key.read_bytes() != old
    assert key.stat().st_mode & 0o777 == 0o600
    assert b'"hello"' in desk.kept()
    assert desk.do("rekey").returncode == 0
    assert b'"hello"' in desk.kept()


def test_rekey_killed_at_any_step_loses_nothing(desk: Desk, tmp_path: Path) -> None:
    """Killed before every fifth system call that changes a name or makes data durable."""
    desk.talk("hello")
    for number in range(1, 400, 5):
        command: list[str | Path] = [BIN / "quietroom", "rekey", "--data-dir", desk.journal]
        calls = "fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat"
        inject = f"inject={calls}:signal=SIGKILL:when={number}"
        done = subprocess.run(
            ["strace", "-f", "-qq", "-e", f"trace={calls}", "-e", inject, "-o", "/dev/null", *command],
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert texts(export(desk.journal, tmp_path / "out.json")) == ["hello"], number
        if done.returncode == 0:
            break
        assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
    assert 8 < number < 399
    assert desk.talk("again").returncode == 0
    assert len(list(desk.journal.glob("journal*.db"))) == 1
    assert len(list(desk.journal.glob("key*"))) == 3


def test_a_wrong_guess_is_not_damage_and_damage_is_not_a_wrong_guess(desk: Desk) -> None:
    words = desk.note("words", "words for a locked room")
    desk.talk("hello", "--passphrase-file", words)
    database = desk.journal / "journal.db"
    whole = database.read_bytes()
    database.write_bytes(whole[:5000])
    done = desk.do("export", "--format", "json", "--out", desk.folder / "x", "--passphrase-file", words)
    assert done.returncode == 2
    assert b"damaged" in done.stderr
    wrong = desk.note("wrong", "not these words at all")
    done = desk.do("export", "--format", "json", "--out", desk.folder / "x", "--passphrase-file", wrong)
    assert b"not the passphrase" in done.stderr
    database.write_bytes(whole)
    assert b'"hello"' in desk.kept("--passphrase-file", words)


def test_a_missing_passphrase_file_is_told(desk: Desk) -> None:
    done = desk.talk("hello", "--passphrase-file", desk.folder / "nothing")
    assert done.returncode == 2
    assert b"cannot be read" in done.stderr
    assert not os.path.lexists(desk.journal / "journal.db")


def test_a_first_start_with_a_passphrase_cut_short_is_taken_up_with_its_lock(desk: Desk) -> None:
    words = desk.note("words", "words for a locked room")
    desk.talk("hello", "--passphrase-file", words)
    # As a kill leaves it before the journal stood: locks that are not finished, and no database.
    locks = Locks.read(desk.journal)
    assert locks
    replace(locks, finished=False).save(desk.journal)
    for path in desk.journal.glob("journal*"):
        path.unlink()
    code_in(desk.talk("again", "--passphrase-file", words))
    taken_up = Locks.read(desk.journal)
    assert taken_up
    assert set(taken_up.locks) == {"passphrase", "recovery"}
    assert b'"again"' in desk.kept("--passphrase-file", words)


def test_a_rekeyed_journal_whose_keys_are_gone_is_never_taken_for_a_new_one(desk: Desk) -> None:
    desk.talk("hello")
    desk.do("rekey")
    saved = {path: path.read_bytes() for path in desk.journal.glob("keys*.json")}
    for path in saved:
        path.unlink()
    (database,) = desk.journal.glob("journal-*.db")
    for done in (desk.talk("again"), desk.do("sessions")):
        assert done.returncode == 2
        assert b"key of this journal is missing" in done.stderr
    assert database.exists()
    for path, content in saved.items():
        path.write_bytes(content)
    assert b'"hello"' in desk.kept()
