"""What each format holds and how it marks what a model wrote, through the command as a person runs it."""

import csv
import io
import json
import re
import tarfile
import zipfile
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pyrage
import pytest
import yaml
from support.full_journal import PNG, TRICKY, full_journal
from support.programs import run

from desktop.paths import RESOURCES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    full_journal(tmp_path / "v")
    return tmp_path / "v"


def export(folder: Path, name: str, out: Path, *more: str | Path) -> Path:
    done = run("quietroom", "export", "--data-dir", folder, "--format", name, "--out", out, *more)
    assert done.returncode == 0, done.stderr
    return out


def journal(folder: Path, out: Path, *more: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(export(folder, "json", out, "--overwrite", *more).read_bytes())
    return found


def test_json_holds_everything_outside_the_bin_as_its_schema_says(folder: Path, tmp_path: Path) -> None:
    found = journal(folder, tmp_path / "out.json")
    jsonschema.validate(found, json.loads((RESOURCES / "schema/journal.json").read_bytes()))
    (talk,) = found["sessions"]
    assert [m["generator"] and m["generator"]["kind"] for m in talk["messages"]] == [None, "model", "written"]
    assert talk["messages"][0]["versions"] == [{"saved_at": "2026-11-25T08:00:00.000000Z", "text": TRICKY}]
    (entry,) = found["entries"]
    assert entry["versions"][0]["text"] == "before"
    assert (entry["mood"], entry["tension"], entry["energy"], entry["sleep"]) == (7, None, 0, 10)
    assert entry["pictures"][0]["media_type"] == "image/png"
    assert found["notes"][0]["versions"][0]["text"] == "my sister"
    assert found["exercises"][0]["answers"] == [{"question": "Five things?", "words": TRICKY}]
    assert found["safety_events"][0]["level"] == "high"
    assert "thrown away" not in json.dumps(found)


def test_days_and_kinds_and_one_talk_can_be_chosen(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    # 23:30 in UTC was the next day already on the wall in Berlin.
    assert len(journal(folder, out, "--from", "2026-11-25")["sessions"][0]["messages"]) == 3
    before = journal(folder, out, "--to", "2026-11-24")
    assert (before["sessions"], before["entries"], len(before["notes"])) == ([], [], 1)
    only = journal(folder, out, "--kind", "entry", "--kind", "note")
    assert (only["sessions"], len(only["entries"]), len(only["notes"])) == ([], 1, 1)
    assert only["entries"][0]["session_id"] is None
    one = journal(folder, out, "--session", "talk")
    assert (len(one["sessions"]), one["entries"], one["notes"]) == (1, [], [])
    done = run(
        "quietroom", "export", "--data-dir", folder, "--format", "json", "--session", "x", "--out", tmp_path / "y"
    )
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
    done = run("quietroom", "export", "--data-dir", folder, "--format", "json", "--from", "soon", "--out", out)
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)


class Page(HTMLParser):
    """Tags with their attributes, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def test_s14_html_marks_the_model_and_runs_nothing(folder: Path, tmp_path: Path) -> None:
    text = export(folder, "html", tmp_path / "out.html").read_text("utf-8")
    page = Page(text)
    authors = [about for tag, about in page.tags if tag == "article"]
    assert [about["data-author"] for about in authors[:3]] == ["person", "model", "written"]
    assert authors[1]["data-generator"] == "llama-2-7b-chat sha256:" + "ab" * 32
    assert TRICKY in page.words
    assert not {tag for tag, _ in page.tags} & {"script", "a", "link", "iframe"}
    assert {tag: about["src"] for tag, about in page.tags if tag == "img"}["img"].startswith("data:image/png;base64,")  # type: ignore[union-attr]
    assert page.words.index("not a person") < page.words.index("I hear you.")


def test_s14_markdown_is_a_folder_with_front_matter(folder: Path, tmp_path: Path) -> None:
    out = export(folder, "markdown", tmp_path / "out")
    assert "not a person" in (out / "README.md").read_text("utf-8")
    (talk,) = (out / "talks").iterdir()
    (entry,) = (out / "entries").iterdir()
    heads = [yaml.safe_load(path.read_text("utf-8").split("---\n")[1]) for path in (talk, entry)]
    assert (heads[0]["model-written"], heads[0]["generated-by"]) == (True, ["llama-2-7b-chat"])
    assert (heads[1]["model-written"], heads[1]["title"], heads[1]["mood"]) == (False, TRICKY, 7)
    assert heads[1]["tags"] == ["sea"]
    assert heads[1]["created"] == "2026-11-24T23:30:00.000000Z"
    text = talk.read_text("utf-8").split("---\n", 2)[2]
    assert "<script" not in text
    assert "[x](" not in text
    assert "**out**" in entry.read_text("utf-8")
    assert (out / "pictures" / "picture.png").read_bytes() == PNG
    assert "../pictures/picture.png" in entry.read_text("utf-8")


def test_csv_holds_the_check_ins_and_no_formula(folder: Path, tmp_path: Path) -> None:
    rows = list(csv.reader(io.StringIO(export(folder, "csv", tmp_path / "out.csv").read_text("utf-8"))))
    assert rows[0][0].startswith("# ")
    assert "not a person" in rows[0][0]
    row = dict(zip(rows[1], rows[2], strict=True))
    assert (row["date"], row["time"], row["mood"], row["tension"], row["energy"]) == (
        "2026-11-25",
        "00:30",
        "7",
        "",
        "0",
    )
    assert row["title"] == "'" + TRICKY


def test_s14_pdf_says_who_wrote_in_its_metadata(folder: Path, tmp_path: Path) -> None:
    content = export(folder, "pdf", tmp_path / "out.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    streams = [content, *map(_inflated, re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL))]
    assert any(b"model-written: llama-2-7b-chat" in stream for stream in streams)
    assert any(b"not a person" in stream for stream in streams)


def _inflated(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return b""


def test_day_one_names_its_pictures_by_their_md5(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(export(folder, "dayone", tmp_path / "out.zip")) as archive:
        found = json.loads(archive.read("Journal.json"))
        talk, entry, *_ = found["entries"]
        (photo,) = entry["photos"]
        assert archive.read(f"photos/{photo['md5']}.{photo['type']}") == PNG
    assert f"dayone-moment://{photo['identifier']}" in entry["text"]
    assert (entry["creationDate"], entry["timeZone"]) == ("2026-11-24T23:30:00Z", "Europe/Berlin")
    assert re.fullmatch("[0-9A-F]{32}", entry["uuid"])
    assert talk["quietroom"]["generatedBy"] == ["llama-2-7b-chat"]
    assert "not a person" in found["metadata"]["disclosure"]


def test_joplin_gets_items_that_name_each_other(folder: Path, tmp_path: Path) -> None:
    with tarfile.open(export(folder, "joplin", tmp_path / "out.jex")) as archive:
        texts = {one.name: (archive.extractfile(one) or io.BytesIO()).read() for one in archive.getmembers()}
    items = {name.removesuffix(".md"): text.decode() for name, text in texts.items() if name.endswith(".md")}
    kinds = {name: re.findall(r"type_: (\d+)$", text)[0] for name, text in items.items()}
    assert sorted(kinds.values()) == ["1", "1", "1", "1", "1", "2", "4", "5", "6"]
    resource = next(name for name, kind in kinds.items() if kind == "4")
    assert texts[f"resources/{resource}.png"] == PNG
    assert any(f"](:/{resource})" in text for text in items.values())
    link = items[next(name for name, kind in kinds.items() if kind == "6")]
    note_id, tag_id = re.findall(r"(?:note|tag)_id: (\w+)", link)
    assert (kinds[note_id], kinds[tag_id]) == ("1", "5")


@pytest.mark.parametrize("name", ["json", "markdown"])
def test_an_encrypted_export_is_read_by_any_age_program(name: str, folder: Path, tmp_path: Path) -> None:
    words = tmp_path / "words"
    words.write_text("correct horse battery\n")
    out = tmp_path / "out.age"
    done = run(
        "quietroom", "export", "--data-dir", folder, "--format", name, "--out", out,
        "--encrypt", "--export-passphrase-file", words,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"not encrypted" not in done.stderr
    content = out.read_bytes()
    assert b"sister" not in content
    plain = pyrage.passphrase.decrypt(content, "correct horse battery")
    assert b"sister" in plain if name == "json" else zipfile.is_zipfile(io.BytesIO(plain))


def test_a_folder_is_replaced_only_if_it_is_an_export(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("mine")
    for more in ([], ["--overwrite"]):
        done = run("quietroom", "export", "--data-dir", folder, "--format", "markdown", "--out", out, *more)
        assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
        assert [path.name for path in out.iterdir()] == ["mine"]
    export(folder, "markdown", tmp_path / "other")
    (tmp_path / "other" / "README.md").write_text("older")
    export(folder, "markdown", tmp_path / "other", "--overwrite")
    assert (tmp_path / "other" / "README.md").read_text() != "older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "other", "out", "v"]
