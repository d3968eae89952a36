"""Notes, the plan, pictures and the calendar from the terminal; warnings of a doubtful place."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.programs import run

from desktop.store.place import is_on_network, is_synced


class Desk:
    """Commands on one data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def do(self, *arguments: str | Path, stdin: str = "", code: int = 0) -> str:
        done = run("quietroom", *arguments, "--data-dir", self.folder, stdin=stdin.encode())
        assert done.returncode == code, done.stderr
        if code:
            assert done.stderr.count(b"\n") == 1
        return (done.stderr if code else done.stdout).decode()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "journal")


def test_notes_are_written_listed_changed_deleted_and_their_past_is_kept(desk: Desk) -> None:
    name = desk.do("note", "add", "--kind", "goal", stdin="A walk on Sundays\n").strip()
    desk.do("note", "edit", name, stdin="A walk each day\n")
    assert desk.do("note", "list") == f"{name}\tgoal\tA walk each day\n"
    assert desk.do("note", "history", name).endswith("\tA walk on Sundays\n")
    assert desk.do("search", "walk", "--kind", "note").split("\t")[:2] == ["note", name]
    desk.do("bin", "put", name)
    assert desk.do("note", "list") == ""
    assert desk.do("bin").split("\t")[:2] == ["note", name]
    assert "no note with the id" in desk.do("note", "edit", "nothing", stdin="x", code=2)
    assert "nothing to keep" in desk.do("note", "add", "--kind", "goal", stdin=" ", code=2)


def test_the_plan_has_its_sections_in_order(desk: Desk) -> None:
    desk.do("plan", "edit", "people", stdin="My sister\n")
    desk.do("plan", "edit", "signs", stdin="I stop answering\n")
    desk.do("plan", "edit", "people", stdin="My sister, and Jo\n")
    assert desk.do("plan", "show") == "# signs\n\nI stop answering\n\n# people\n\nMy sister, and Jo\n\n"
    assert desk.do("note", "list") == ""


def test_a_picture_is_kept_inside(desk: Desk, tmp_path: Path) -> None:
    name = desk.do("journal", "add", stdin="The sea").strip()
    picture = tmp_path / "sea.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    kept = desk.do("attach", name, picture).strip()
    picture.unlink()
    assert desk.do("pictures", name) == f"{kept}\timage/png\t108\tsea.png\n"
    assert "cannot be read" in desk.do("attach", name, picture, code=2)
    picture.write_bytes(b"words")
    assert "no picture of a kind" in desk.do("attach", name, picture, code=2)


def test_the_calendar_lists_the_days(desk: Desk) -> None:
    desk.do("journal", "add", "--mood", "4", stdin="one")
    desk.do("journal", "add", "--mood", "6", stdin="two")
    line = desk.do("calendar").rstrip("\n").split("\t")
    assert line[1:] == ["0", "2", "0", "4,6"]
    assert abs((datetime.now(UTC).date() - datetime.fromisoformat(line[0]).date()).days) <= 1
    assert desk.do("calendar", "--to", "2020-01-01") == ""
    assert desk.do("on-this-day") == ""
    later = line[0].replace(line[0][:4], str(int(line[0][:4]) + 4))
    assert len(desk.do("on-this-day", "--day", later).splitlines()) == 2
    assert "not a day" in desk.do("on-this-day", "--day", "tomorrow", code=2)


@pytest.mark.parametrize(
    ("kind", "expected"), [("nfs4", True), ("cifs", True), ("fuse.sshfs", True), ("ext4", False), ("btrfs", False)]
)
def test_a_network_folder_is_known_by_its_mount(tmp_path: Path, kind: str, expected: bool) -> None:
    mounts = tmp_path / "mounts"
    far = tmp_path / "far away"
    escaped = str(far).replace(" ", "\\040")
    mounts.write_text(f"/dev/sda1 / ext4 rw 0 0\nserver:/x {escaped} {kind} rw 0 0\n", "utf-8")
    assert is_on_network(far / "journal", mounts) is expected
    assert not is_on_network(tmp_path / "near", mounts)
    assert not is_on_network(far, tmp_path / "no such file")


def test_a_synced_folder_is_known_by_name_or_mark(tmp_path: Path) -> None:
    for name in ("Dropbox", "OneDrive - Work", "Nextcloud", "Mobile Documents"):
        assert is_synced(tmp_path / name / "journal"), name
    assert not is_synced(tmp_path / "journal")
    (tmp_path / ".stfolder").mkdir()
    assert is_synced(tmp_path / "journal")


def test_the_person_is_warned_of_a_synced_folder(tmp_path: Path, tiny: Path) -> None:
    done = run("quietroom", "talk", "--model", tiny, "--data-dir", tmp_path / "Dropbox" / "journal")
    assert done.returncode == 0
    assert b"copies to other machines" in done.stderr
