"""The vault file: encrypted, durable, honest about damage."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sqlite_utils.db import Database
from support.programs import run_mounting

from desktop.errors import UserError
from desktop.records import Message, Role, State
from desktop.store import migrations as module
from desktop.store.chats import Chats
from desktop.store.database import Vault, connect
from desktop.store.locks import FIRST_JOURNAL as FILE
from desktop.store.locks import Locks

TIME = "2026-11-24T00:00:00.000000Z"


def fill(folder: Path, text: str = "words") -> None:
    vault = Vault.open(folder)
    chats = Chats(vault)
    chats.start("s", text, TIME)
    chats.add(Message("m", "s", Role.USER, text, State.DONE, TIME))
    vault.close()


def code_of(folder: Path) -> str:
    with pytest.raises(UserError) as raised:
        Vault.open(folder)
    return raised.value.code


def test_the_file_is_durable_and_strict(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path / "v")
    pragmas = {name: vault.db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
    assert pragmas == {"journal_mode": "wal", "synchronous": 2}
    for name in ("foreign_keys", "secure_delete"):
        assert vault.db.execute(f"PRAGMA {name}").fetchone()[0] == 1
    vault.close()


def test_nothing_is_readable_without_the_key(tmp_path: Path) -> None:
    fill(tmp_path, "aubergine lighthouse")
    content = (tmp_path / FILE).read_bytes()
    assert b"aubergine" not in content
    assert b"SQLite format" not in content
    assert b"CREATE TABLE" not in content


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "v"
    fill(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in folder.iterdir()} == dict.fromkeys(
        [FILE, "key", "keys.copy.json", "keys.json", "lock"], "0o600"
    )


def test_a_folder_with_other_things_keeps_its_permissions(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    tmp_path.chmod(0o755)
    Vault.open(tmp_path).close()
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_the_lock_is_gone_with_its_process_even_a_killed_one(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, time; from desktop.store.database import Vault\n"
        "v = Vault.open(pathlib.Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"open\n"
        assert code_of(tmp_path) == "folder_in_use"
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        Vault.open(tmp_path).close()


@pytest.mark.parametrize(
    "left",
    [[], ["key"], ["key", "keys.json"], ["key", "keys.json", f"{FILE}.part"], ["key", "keys.json", FILE]],
)
def test_a_first_start_cut_short_at_any_point_is_taken_up(left: list[str], tmp_path: Path) -> None:
    done = tmp_path / "done"
    vault = Vault.open(done)
    replace(vault.locks, finished=False).save(done)
    vault.close()
    shutil.copy(done / FILE, done / f"{FILE}.part")
    cut = tmp_path / "cut"
    cut.mkdir()
    for name in left:
        shutil.copy(done / name, cut / name)
    fill(cut)
    assert not list(cut.glob("*.part"))


def test_the_key_and_the_journal_are_told_apart(tmp_path: Path) -> None:
    for number, (name, content, expected) in enumerate(
        [
            ("key", None, "key_missing"),
            ("key", b"", "key_damaged"),
            ("key", b"not hex", "key_damaged"),
            ("key", b"0" * 32, "key_wrong"),
            (FILE, None, "journal_damaged"),
            (FILE, b"", "journal_damaged"),
            (FILE, b"x" * 8192, "journal_damaged"),
        ]
    ):
        folder = tmp_path / str(number)
        fill(folder)
        before = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != name}
        if content is None:
            (folder / name).unlink()
        else:
            (folder / name).write_bytes(content)
        assert code_of(folder) == expected, (name, content)
        assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != name} == before


def test_flipped_bits_are_damage_and_leave_the_file_as_it_is(tmp_path: Path) -> None:
    fill(tmp_path)
    data = bytearray((tmp_path / FILE).read_bytes())
    data[100] ^= 1
    (tmp_path / FILE).write_bytes(data)
    assert code_of(tmp_path) == "journal_damaged"
    assert (tmp_path / FILE).read_bytes() == data


def test_damage_deep_in_a_long_message_is_found_before_half_of_it_is_shown(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path, "words " * 4000)
    whole = (tmp_path / FILE).read_bytes()
    for page in range(1, len(whole) // 4096):
        data = bytearray(whole)
        data[page * 4096 + 2000] ^= 1
        (tmp_path / FILE).write_bytes(data)
        assert code_of(tmp_path) == "journal_damaged"
    assert capfd.readouterr().err == ""


def test_a_newer_journal_is_left_alone(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path)
    vault.db.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('quietroom', '9999_later', '2027')"
    )
    vault.close()
    assert code_of(tmp_path) == "journal_newer"


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(db: Database) -> None:
        db.execute("CREATE TABLE half (x)")
        raise RuntimeError("power cut")

    fill(tmp_path)
    more = type(module.migrations)("quietroom")
    for number, step in enumerate([*module.STEPS, half], start=1):
        more(name=f"{number:04}{step.__name__}")(step)
    monkeypatch.setattr("desktop.store.database.migrations", more)
    monkeypatch.setattr("desktop.store.database.STEPS", [*module.STEPS, half])
    locks = Locks.read(tmp_path)
    assert locks
    key = locks.open_by_file(tmp_path)
    with pytest.raises(RuntimeError):
        connect(tmp_path / FILE, key)
    monkeypatch.undo()
    vault = Vault.open(tmp_path)
    assert "half" not in vault.db.table_names()
    assert [m.text for m in Chats(vault).messages("s")] == ["words"]
    vault.close()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert code_of(tmp_path / "file" / "below") == "folder_not_writable"
    assert code_of(Path("/proc/quietroom")) == "folder_not_writable"


def test_a_read_only_disk_is_told(tmp_path: Path) -> None:
    script = 'mkdir "$1" && mount -t tmpfs -o ro tmpfs "$1" && "$0" -m desktop talk --data-dir "$1" </dev/null'
    done = run_mounting(script, sys.executable, tmp_path / "ro")
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b"cannot write" in done.stderr


def test_looking_beside_makes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    with pytest.raises(UserError, match="no_journal"):
        Vault.open_beside(folder)
    assert list(folder.iterdir()) == []
