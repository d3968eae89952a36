"""Backups as a person makes and needs them: on another machine, after damage, after a kill."""

import shutil
import signal
import subprocess
from datetime import date, timedelta
from pathlib import Path

import pytest
from support.programs import BIN, Talk, export, run, texts

from desktop.store.database import ByFile
from desktop.store.keeping import kept
from desktop.work.keeping import backup_of_the_day

Done = subprocess.CompletedProcess[bytes]


class Desk:
    """A journal, a second machine's empty folder, and a place for backups."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder = folder
        self.journal, self.other = folder / "journal", folder / "elsewhere"
        self.backup = folder / "all.backup"
        self.model = model

    def do(self, verb: str, *arguments: str | Path, where: Path | None = None) -> Done:
        return run("quietroom", verb, "--data-dir", where or self.journal, *arguments)

    def talk(self, words: str, *arguments: str | Path) -> Done:
        model: tuple[str | Path, ...] = ("--model", self.model)
        return run("quietroom", "talk", "--data-dir", self.journal, *model, *arguments, stdin=words.encode() + b"\n")

    def kept(self, where: Path | None = None) -> list[str]:
        return texts(export(where or self.journal, self.folder / "out.json"))


@pytest.fixture
def desk(tmp_path: Path, tiny: Path) -> Desk:
    return Desk(tmp_path, tiny)


def test_a_backup_opens_on_another_machine(desk: Desk) -> None:
    desk.talk("hello")
    made = desk.do("backup", desk.backup)
    assert made.returncode == 0
    assert b"2 messages" in made.stderr
    assert desk.backup.stat().st_mode & 0o777 == 0o600
    assert b"hello" not in desk.backup.read_bytes()
    shutil.rmtree(desk.journal)
    assert desk.do("restore", desk.backup, where=desk.other).returncode == 0
    assert desk.kept(desk.other) == ["hello"]


def test_a_locked_backup_opens_by_its_passphrase_alone(desk: Desk) -> None:
    words, wrong = desk.folder / "words", desk.folder / "wrong"
    words.write_text("four quiet garden words\n")
    wrong.write_text("not these words at all\n")
    desk.talk("hello", "--passphrase-file", words)
    assert desk.do("backup", desk.backup, "--passphrase-file", words).returncode == 0
    for options in ((), ("--passphrase-file", wrong)):
        refused = desk.do("restore", desk.backup, *options, where=desk.other)
        assert refused.returncode == 2
        assert not list(desk.other.glob("journal*"))
    assert desk.do("restore", desk.backup, "--passphrase-file", words, where=desk.other).returncode == 0
    found = desk.do("search", "hello", "--passphrase-file", words, where=desk.other)
    assert b"[hello]" in found.stdout


def test_a_backup_is_made_while_a_talk_is_open(desk: Desk) -> None:
    with Talk(desk.journal, desk.model) as talk:
        talk.write(b"hello\n")
        talk.wait_for()
        assert desk.do("backup", desk.backup).returncode == 0
        assert talk.end() == 0
    assert desk.do("restore", desk.backup, where=desk.other).returncode == 0
    assert desk.kept(desk.other) == ["hello"]


def test_restoring_sets_the_present_journal_aside(desk: Desk) -> None:
    desk.talk("before")
    desk.do("backup", desk.backup)
    desk.talk("after")
    assert desk.do("restore", desk.backup).returncode == 0
    assert desk.kept() == ["before"]
    (aside,) = desk.journal.glob("set-aside-*")
    assert desk.kept(aside) == ["before", "after"]
    assert desk.talk("again").returncode == 0
    assert desk.kept() == ["before", "again"]


def test_restoring_mends_a_damaged_journal(desk: Desk) -> None:
    desk.talk("hello")
    desk.do("backup", desk.backup)
    for damage in (b"", b"x" * 9000):
        for path in desk.journal.glob("journal*.db"):
            path.write_bytes(damage)
        assert b"damaged" in desk.talk("x").stderr
        restored = desk.do("restore", desk.backup)
        assert restored.returncode == 0, restored.stderr
        assert desk.kept() == ["hello"]
        for aside in desk.journal.glob("set-aside-*"):
            shutil.rmtree(aside)


def test_a_damaged_backup_is_refused_and_changes_nothing(desk: Desk) -> None:
    desk.talk("hello")
    desk.do("backup", desk.backup)
    whole = desk.backup.read_bytes()
    before = sorted(path.name for path in desk.journal.iterdir())
    for position in (0, 17, 21, 40, 300, len(whole) // 2, len(whole) - 1):
        desk.backup.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        refused = desk.do("restore", desk.backup)
        assert refused.returncode == 2, position
        assert refused.stderr.count(b"\n") == 1
    for content in (b"", whole[:100], whole[:-1], b"hello"):
        desk.backup.write_bytes(content)
        assert desk.do("restore", desk.backup).returncode == 2
    assert desk.do("restore", desk.folder / "nothing").returncode == 2
    assert sorted(path.name for path in desk.journal.iterdir()) == before
    assert desk.kept() == ["hello"]


def test_a_backup_never_replaces_a_file_unasked_and_leaves_nothing_half_written(desk: Desk) -> None:
    desk.talk("hello")
    desk.backup.write_text("mine")
    assert desk.do("backup", desk.backup).returncode == 2
    assert desk.backup.read_text() == "mine"
    assert desk.do("backup", desk.backup, "--overwrite").returncode == 0
    failed = desk.do("backup", desk.folder / "no" / "such")
    assert failed.returncode == 2
    assert b"could not be written" in failed.stderr
    assert not list(desk.folder.glob("*.part"))


def test_restoring_killed_at_any_step_leaves_one_journal_or_the_other(desk: Desk, tmp_path: Path) -> None:
    desk.talk("before")
    desk.do("backup", desk.backup)
    desk.talk("after")
    seen = set()
    number = 1
    while number < 200:
        calls = "fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,link,linkat,mkdir"
        inject = f"inject={calls}:signal=SIGKILL:when={number}"
        command: list[str | Path] = [BIN / "quietroom", "restore", "--data-dir", desk.journal, desk.backup]
        done = subprocess.run(
            ["strace", "-f", "-qq", "-e", f"trace={calls}", "-e", inject, "-o", "/dev/null", *command],
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        now = desk.kept()
        assert now in (["before"], ["before", "after"]), number
        seen.add(len(now))
        if done.returncode == 0:
            break
        assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
        number += 3
    assert seen == {1, 2}
    assert desk.talk("again").returncode == 0


def test_the_days_that_are_kept() -> None:
    today = date(2026, 11, 24)
    days = [today - timedelta(days=number) for number in range(400)]
    chosen = kept(days)
    assert chosen >= set(days[:7])
    assert len(chosen) <= 17
    assert {day.strftime("%Y-%m") for day in chosen} >= {f"2026-{month:02}" for month in range(6, 12)}
    assert kept([]) == set()


def test_a_backup_a_day_and_old_ones_go(desk: Desk) -> None:
    desk.talk("hello")
    target = desk.folder / "backups"
    day = date(2026, 1, 1)
    for number in range(12):
        backup_of_the_day(desk.journal, ByFile(), target, day + timedelta(days=number))
        backup_of_the_day(desk.journal, ByFile(), target, day + timedelta(days=number))
    names = sorted(path.name for path in target.iterdir())
    assert names[-7:] == [f"quietroom-2026-01-{number:02}.backup" for number in range(6, 13)]
    assert len(names) == 8
    stranger = target / "quietroom-notes.backup"
    stranger.touch()
    backup_of_the_day(desk.journal, ByFile(), target, day + timedelta(days=20))
    assert stranger.exists()


def test_everything_is_erased_by_its_name_alone(desk: Desk) -> None:
    desk.talk("hello")
    assert desk.do("erase", "--name", "other").returncode == 2
    assert desk.kept() == ["hello"]
    assert desk.do("erase", "--name", "journal").returncode == 0
    assert {path.name for path in desk.journal.iterdir()} <= {"lock"}
    assert b"no journal" in desk.do("sessions").stderr
    assert desk.journal.is_dir()
