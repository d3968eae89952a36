import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.llama_judge import Llama
from support.tiny_families import edit
from support.tiny_model import Shape, write_checkpoint
from support.tiny_tokenizers import SENTENCES

from convert.errors import ConvertError
from convert.pipeline import Report
from convert.vocab import vocab_metadata

ROWS = 428
SPACES = ["▁▁", "▁▁▁▁"]


def model_of(folder: Path) -> dict[str, Any]:
    model: dict[str, Any] = json.loads((folder / "tokenizer.json").read_text("utf-8"))["model"]
    return model


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A checkpoint as Llama 2 comes, with its tokenizer.model."""
    write_checkpoint(tmp_path / "kept", Shape(tokenizer="sentencepiece"))
    return tmp_path / "kept"


@pytest.fixture
def saved(tmp_path: Path, kept: Path) -> Path:
    """The same as transformers 5 saves it: a tokenizer.json with merges in the order of the scores, and no more."""
    write_checkpoint(tmp_path / "saved", Shape(tokenizer="sentencepiece"))
    metadata = vocab_metadata(kept, [kept], ROWS)
    tokens, scores = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.scores"]
    assert isinstance(tokens, list)
    assert isinstance(scores, np.ndarray)
    numbers = {text: number for number, text in enumerate(tokens)}
    merges = sorted(
        (
            (piece[:at], piece[at:])
            for piece in tokens[259:]
            for at in range(1, len(piece))
            if piece[:at] in numbers and piece[at:] in numbers
        ),
        key=lambda pair: -scores[numbers["".join(pair)]],
    )
    prepare = {
        "type": "Sequence",
        "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        ],
    }
    model = {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True, "vocab": numbers}
    added = [{"id": number, "content": tokens[number], "special": True} for number in range(3)]
    edit(
        tmp_path / "saved" / "tokenizer.json",
        added_tokens=added, normalizer=prepare, pre_tokenizer=None, model=model | {"merges": merges},
    )  # fmt: skip
    (tmp_path / "saved" / "tokenizer.model").unlink()
    return tmp_path / "saved"


def test_the_scores_come_back(saved: Path, kept: Path) -> None:
    theirs, ours = (vocab_metadata(folder, [folder], ROWS) for folder in (kept, saved))
    # A lone space is no merge, so its score counts for nothing; Llama 2's is that of several spaces.
    tokens, scores = theirs["tokenizer.ggml.tokens"], theirs["tokenizer.ggml.scores"]
    assert isinstance(tokens, list)
    assert isinstance(scores, np.ndarray)
    scores[tokens.index("▁")] = -1e9
    for key, value in theirs.items():
        assert np.array_equal(ours[key], value), key


def test_a_text_is_cut_as_by_the_true_scores(
    saved: Path, kept: Path, out: Path, convert: Callable[..., Report], llama: Llama
) -> None:
    cut = []
    for folder in (kept, saved):
        path = out.with_name(f"{folder.name}.gguf")
        convert(folder, "F32", path=path)
        cut.append(llama.tokenize(path, SENTENCES))
    assert cut[0] == cut[1]


@pytest.mark.parametrize("as_pairs", [True, False])
def test_merges_may_be_written_in_both_ways(saved: Path, as_pairs: bool) -> None:
    model = model_of(saved)
    model["merges"] = [pair if as_pairs else " ".join(pair) for pair in model["merges"]]
    edit(saved / "tokenizer.json", model=model)
    assert "tokenizer.ggml.scores" in vocab_metadata(saved, [saved], ROWS)


def swapped(model: dict[str, Any]) -> None:
    model["merges"][3], model["merges"][40] = model["merges"][40], model["merges"][3]


def one_less(model: dict[str, Any]) -> None:
    del model["merges"][5]


def unknown_piece(model: dict[str, Any]) -> None:
    model["merges"].append(["q", "q"])


def a_gap(model: dict[str, Any]) -> None:
    model["vocab"]["zzz"] = 5000


def no_bytes(model: dict[str, Any]) -> None:
    model["vocab"]["<0x0A "] = model["vocab"].pop("<0x0A>")


def not_merges(model: dict[str, Any]) -> None:
    model["merges"] = [["a"], 5, ["a", 3]]


@pytest.mark.parametrize("change", [swapped, one_less, unknown_piece, a_gap, no_bytes, not_merges])
def test_what_the_rule_does_not_fit_is_refused(saved: Path, change: Callable[[dict[str, Any]], None]) -> None:
    model = model_of(saved)
    change(model)
    edit(saved / "tokenizer.json", model=model)
    with pytest.raises(ConvertError, match=r"copy tokenizer\.model from the original"):
        vocab_metadata(saved, [saved], ROWS)


def test_spaces_are_never_made_by_merging_before_words(saved: Path) -> None:
    model = model_of(saved)
    for spaces in SPACES:
        model["vocab"][spaces] = len(model["vocab"])
        model["merges"].append([spaces[: len(spaces) // 2]] * 2)
    edit(saved / "tokenizer.json", model=model)
    scores = vocab_metadata(saved, [saved], ROWS + 2)["tokenizer.ggml.scores"]
    assert isinstance(scores, np.ndarray)
    assert list(scores[-2:]) == [-1e9, -1e9]


def test_added_tokens_come_from_tokenizer_json_alone(saved: Path) -> None:
    added = json.loads((saved / "tokenizer.json").read_text("utf-8"))["added_tokens"]
    edit(saved / "tokenizer.json", added_tokens=[*added, {"id": ROWS, "content": "<pad>", "special": True}])
    edit(saved / "tokenizer_config.json", pad_token="<pad>")
    metadata = vocab_metadata(saved, [saved], ROWS + 1)
    tokens = metadata["tokenizer.ggml.tokens"]
    assert isinstance(tokens, list)
    assert tokens[ROWS] == "<pad>"
    assert metadata["tokenizer.ggml.padding_token_id"] == ROWS


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"normalizer": None}, False),
        ({"normalizer": None, "pre_tokenizer": {"type": "Metaspace", "prepend_scheme": "first"}}, None),
        ({"normalizer": None, "pre_tokenizer": {"type": "Metaspace", "prepend_scheme": "never"}}, False),
    ],
)
def test_whether_a_space_goes_before_a_text_is_told(saved: Path, fields: dict[str, object], expected: object) -> None:
    edit(saved / "tokenizer.json", **fields)
    assert vocab_metadata(saved, [saved], ROWS).get("tokenizer.ggml.add_space_prefix") is expected


def test_a_text_that_is_changed_in_another_way_is_refused(saved: Path) -> None:
    edit(saved / "tokenizer.json", normalizer={"type": "Lowercase"})
    with pytest.raises(ConvertError, match="Lowercase"):
        vocab_metadata(saved, [saved], ROWS)
