"""The journal as files, through the command as a person runs it."""

import json
from pathlib import Path

import pytest
from support.programs import run

from desktop.export import FORMATS
from desktop.records import Message, ModelIdentity, Role, State
from desktop.store.chats import Chats
from desktop.store.database import Vault

TIME = "2026-11-24T01:02:03.000000Z"
TRICKY = "# not a heading\n> *not* <b>html</b>\n---\n=1+1\n\0 é 🏠"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    vault = Vault.open(tmp_path / "v")
    chats = Chats(vault)
    chats.start("s1", "first", TIME)
    model = ModelIdentity("tiny", "ab" * 32)
    chats.add(Message("m1", "s1", Role.USER, TRICKY, State.DONE, TIME))
    chats.add(Message("m2", "s1", Role.ASSISTANT, "half an ans", State.INTERRUPTED, TIME, "m1", model))
    chats.start("s2", "second", "2026-11-25T01:02:03.000000Z")
    chats.add(Message("m3", "s2", Role.WRITTEN, "please call", State.DONE, "2026-11-25T01:02:03.000000Z"))
    vault.close()
    return tmp_path / "v"


def export(folder: Path, name: str, out: Path) -> bytes:
    done = run("quietroom", "export", "--data-dir", folder, "--format", name, "--out", out)
    assert done.returncode == 0, done.stderr
    assert b"not encrypted" in done.stderr
    assert b"Left out" in done.stderr
    return content(out)


def content(out: Path) -> bytes:
    """What was written: of a folder, the names and texts of its files in order."""
    if not out.is_dir():
        return out.read_bytes()
    return b"".join(
        f"{path.relative_to(out)}\n".encode() + path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()
    )


def test_json_holds_all_of_it(folder: Path, tmp_path: Path) -> None:
    journal = json.loads(export(folder, "json", tmp_path / "out.json"))
    assert journal["format"] == "quietroom-journal"
    assert "not a person" in journal["disclosure"]
    first, second = journal["sessions"]
    assert first["created_at"] == TIME
    assert first["messages"] == [
        {"id": "m1", "role": "user", "text": TRICKY, "state": "done", "created_at": TIME, "reply_to": None,
         "generator": None},
        {"id": "m2", "role": "assistant", "text": "half an ans", "state": "interrupted", "created_at": TIME,
         "reply_to": "m1", "generator": {"kind": "model", "name": "tiny", "sha256": "ab" * 32}},
    ]  # fmt: skip
    assert second["messages"][0]["generator"] == {"kind": "written"}


def test_markdown_keeps_every_line_and_no_line_can_pose_as_structure(folder: Path, tmp_path: Path) -> None:
    lines = export(folder, "markdown", tmp_path / "out").decode().split("\n")
    for line in ("\\# not a heading", "&gt; \\*not\\* &lt;b&gt;html&lt;/b&gt;", "\\---", "\\=1+1", "\ufffd é 🏠"):
        assert f"> {line}" in [shown.rstrip() for shown in lines], line
    assert [line for line in lines if line.startswith("#")] == [
        "### You · 2026-11-24 01:02 UTC",
        "### Model (tiny) · 2026-11-24 01:02 UTC · interrupted",
        "### Written reply · 2026-11-25 01:02 UTC",
    ]
    assert any("not a person" in line for line in lines)
    assert "model-written: true" in lines
    assert 'generated-by: ["tiny"]' in lines


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_words_twice_and_takes_an_empty_journal(
    name: str, folder: Path, tmp_path: Path
) -> None:
    first, second = export(folder, name, tmp_path / "a"), export(folder, name, tmp_path / "b")
    if name != "pdf":  # Qt writes the time into it.
        assert first == second
    Vault.open(tmp_path / "empty").close()
    assert export(tmp_path / "empty", name, tmp_path / "c")


def test_an_export_never_replaces_a_file_unasked(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("mine")
    arguments = ("export", "--data-dir", folder, "--format", "json", "--out", out)
    done = run("quietroom", *arguments)
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert out.read_text() == "mine"
    assert run("quietroom", *arguments, "--overwrite").returncode == 0
    assert out.read_bytes().startswith(b"{")


def test_bad_places_are_told_and_nothing_is_left(folder: Path, tmp_path: Path) -> None:
    for data_dir, out, words in (
        (folder, tmp_path / "no" / "such" / "folder", b"could not be written"),
        (folder, Path("/proc/out"), b"could not be written"),
        (tmp_path / "nobody", tmp_path / "out", b"no journal"),
    ):
        done = run("quietroom", "export", "--data-dir", data_dir, "--format", "json", "--out", out)
        assert done.returncode == 2
        assert words in done.stderr
        assert done.stderr.count(b"\n") == 1
        assert not out.exists()
    assert not list(tmp_path.glob("*.part"))


def test_a_full_disk_leaves_nothing_half_written(folder: Path) -> None:
    done = run("quietroom", "export", "--data-dir", folder, "--format", "json", "--out", "/dev/full")
    assert done.returncode == 2
