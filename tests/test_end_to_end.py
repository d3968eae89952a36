"""The whole path with real parts: a checkpoint and an adapter become a model, a talk, a journal, a file."""

import html
import re
from pathlib import Path

from support.programs import Talk, export, run, texts
from support.tiny_model import write_adapter, write_checkpoint


def test_from_checkpoint_and_adapter_to_the_exported_journal(tmp_path: Path) -> None:
    base, adapter, model = tmp_path / "base", tmp_path / "adapter", tmp_path / "companion.gguf"
    write_checkpoint(base)
    write_adapter(adapter)
    made = run("quietroom-convert", "gguf", base, "--adapter", adapter, "--type", "Q8_0", "--out", model)
    assert made.returncode == 0, made.stderr

    folder = tmp_path / "journal"
    typed = ["The first evening.", "  spaces kept  ", "A Tütchen of seeds 🏠 and <b>tags</b>", "# not a heading"]
    with Talk(folder, model) as talk:
        talk.wait_for(notice=b"Talking with")
        talk.write(typed[0].encode() + b"\n")
        # Held in the middle of its first answer, it still keeps the next line.
        talk.hold_engine_at_first_word()
        talk.write(typed[1].encode() + b"\n")
        talk.wait_until_kept(folder, tmp_path / "probe", typed[:2])
        talk.kill()
        found = re.search(rb"kept as ([0-9a-f]+)", talk.notices)
        assert found
    with Talk(folder, model, "--session", found[1].decode()) as talk:
        talk.write("\n".join(typed[2:]).encode() + b"\n")
        assert talk.end() == 0
        assert talk.output

    sessions = export(folder, tmp_path / "journal.json")
    assert len(sessions) == 1
    assert texts(sessions) == typed
    answers = [m for m in sessions[0]["messages"] if m["role"] == "assistant"]
    assert [m["state"] for m in answers] == ["interrupted", "done", "done"]
    assert {m["generator"]["sha256"] for m in answers if m["generator"]["sha256"]} != set()
    markdown = tmp_path / "journal.md"
    done = run("quietroom", "export", "--data-dir", folder, "--format", "markdown", "--out", markdown)
    assert done.returncode == 0
    pages = "\n".join(page.read_text("utf-8") for page in markdown.rglob("*.md"))
    # As a reader of Markdown shows them: without the marks that keep words from being taken for markup.
    lines = html.unescape(pages).replace("\xa0", " ").replace("\\", "").split("\n")
    for line in typed:
        assert f"> {line}" in lines
