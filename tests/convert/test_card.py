import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from support.tiny_model import tiny_gguf

Command = Callable[..., int]
SECTIONS = (
    "Model description", "Uses", "Out-of-scope use", "Bias, risks and limitations", "Recommendations",
    "How to get started", "Training", "Evaluation", "Hardware",
)  # fmt: skip
# What the program must never call itself or what it does.
FORBIDDEN = r"therap|treat(s|ed|ing|ment)?\b|patient|mental health|licensed therapist|mild|severe"

PAIR = {"value": 1.25, "error": 0.5}
ROW = {
    "name": "tiny-Q4_0.gguf", "type": "Q4_0", "bytes": 1, "perplexity": PAIR, "ratio": PAIR, "divergence": PAIR,
    "same_top": {"value": 0.9375, "error": 0.01}, "tokens_read_per_second": 120.4, "tokens_written_per_second": 9.96,
}  # fmt: skip
MEASURED = {
    "text": {"name": "talk.txt"}, "context": 512, "scored_tokens": 5100, "threads": 2,
    "reference": {"name": "tiny-F16.gguf"}, "files": [ROW],
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_gguf(tmp_path_factory.mktemp("model") / "tiny-Q4_0.gguf", "Q4_0")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A base's folder with its papers."""
    base = tmp_path / "base"
    base.mkdir()
    head = "license: llama2\nlanguage: [en, de]\ndatasets:\n- owner/texts\n"
    (base / "README.md").write_text(f"---\n{head}---\n# Base\n")
    (base / "LICENSE.txt").write_text("The licence é.\n")
    (base / "USE_POLICY.md").write_text("The policy.\n")
    (base / "notes.txt").write_text("nothing for others")
    (tmp_path / "out").mkdir()
    return base


def card_of(path: Path) -> tuple[str, dict[str, Any]]:
    """Return a card's text and its head, as the hub reads them."""
    card = ModelCard.load(path)
    return card.text, card.data.to_dict()


def test_without_anything_known_it_says_so(model: Path, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "README.md"
    assert command("card", model, "--out", out) == 0
    text, head = card_of(out)
    assert re.findall(r"(?m)^## (.*)$", text) == list(SECTIONS)
    assert re.findall(r"(?m)^- \*\*(.*):\*\* not known$", text) == [
        "Languages", "License", "Training data of the base", "Training procedure",
    ]  # fmt: skip
    assert "Results on texts: not known." in text
    assert "license" not in head
    assert head["pipeline_tag"] == "text-generation"
    assert not re.search(FORBIDDEN, out.read_text(), re.IGNORECASE)
    assert "{{" not in out.read_text()


def test_what_is_known_is_in_it_and_the_papers_lie_beside_it(
    model: Path, folder: Path, adapter: Path, tmp_path: Path, command: Command, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.json").write_text(json.dumps(MEASURED))
    out = folder.parent / "out" / "README.md"
    known = ("--base", folder, "--adapter", adapter, "--measured", tmp_path / "m.json")
    assert command("card", model, "--out", out, *known) == 0
    assert capfd.readouterr().out == f"Wrote {out}, {out.parent / 'LICENSE.txt'}, {out.parent / 'USE_POLICY.md'}.\n"
    text, head = card_of(out)
    assert (head["license"], head["language"], head["datasets"]) == ("llama2", ["en", "de"], ["owner/texts"])
    result = head["model-index"][0]["results"][0]
    assert result["dataset"]["name"] == "talk.txt"
    assert result["metrics"] == [{"type": "perplexity", "value": 1.25, "name": f"perplexity, {model.name}"}]
    for words in (
        "- **License:** llama2; see [LICENSE.txt](LICENSE.txt), [USE_POLICY.md](USE_POLICY.md)",
        "- What [USE_POLICY.md](USE_POLICY.md), the base's own policy, rules out.",
        "- **Training data of the base:** owner/texts",
        "LORA of rank 4 and alpha 8 on down_proj, gate_proj",
        f"| {model.name} | Q4_0 | 1.2500 ± 0.5000 | 1.2500 ± 0.5000 | 1.25000 ± 0.50000 | 93.8% |",
        "Measured on 5,100 tokens of talk.txt in chunks of 512, against tiny-F16.gguf",
        "120 and 10.0 with 2 threads",
        f'Llama("{model.name}"',
    ):
        assert words in text
    for paper in ("LICENSE.txt", "USE_POLICY.md"):
        assert (out.parent / paper).read_bytes() == (folder / paper).read_bytes()
    assert sorted(entry.name for entry in out.parent.iterdir()) == ["LICENSE.txt", "README.md", "USE_POLICY.md"]


def test_nothing_is_overwritten_unasked(model: Path, folder: Path, command: Command) -> None:
    out = folder.parent / "out" / "README.md"
    (out.parent / "LICENSE.txt").write_text("another licence")
    assert command("card", model, "--out", out, "--base", folder) == 2
    assert [entry.name for entry in out.parent.iterdir()] == ["LICENSE.txt"]
    assert command("card", model, "--out", out, "--base", folder, "--overwrite") == 0
    assert command("card", model, "--out", out, "--base", folder) == 2
    assert (out.parent / "LICENSE.txt").read_text() == "The licence é.\n"
    # A card in the base's own folder leaves the papers where they are.
    assert command("card", model, "--out", folder / "CARD.md", "--base", folder) == 0


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("base/README.md", "---\n[\n---\n", "The head of"),
        ("base/LICENSE.txt", "\udcff", "as text"),
        ("m.json", "{", "not valid JSON"),
        ("m.json", '{"files": [{"name": "x"}]}', "not a measurement"),
        ("m.json", "{}", "not a measurement"),
    ],
)
def test_a_source_that_cannot_be_read_is_one_sentence(
    name: str, text: str, words: str,
    model: Path, folder: Path, command: Command, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (folder.parent / "m.json").write_text(json.dumps(MEASURED))
    (folder.parent / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    out = folder.parent / "out" / "README.md"
    assert command("card", model, "--out", out, "--base", folder, "--measured", folder.parent / "m.json") == 2
    errors = capfd.readouterr().err
    assert words in errors
    assert errors.count("\n") == 1


def test_it_never_asks_the_network(
    model: Path, folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked for")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    assert command("card", model, "--out", folder.parent / "out" / "README.md", "--base", folder) == 0
