"""The rows that the safety layer learns from and is measured by: whole, unique, and kept apart."""

import json
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parent.parent / "resources/safety/data"
LEVELS = {"none", "sensitive", "high", "crisis"}
CATEGORIES = {
    "suicide", "self_harm", "harm_others", "abuse", "medical_emergency", "psychosis", "eating", "substance",
    "diagnosis_request", "medication", "grief", "third_party", "past", "figurative", "everyday",
}  # fmt: skip
TRAINING = ("train", "f", "g", "h", "k")


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text("utf-8").splitlines()]


def grams(text: str) -> set[str]:
    text = " ".join(text.lower().split())
    return {text[start : start + 5] for start in range(max(1, len(text) - 4))}


@pytest.mark.parametrize("name", [*TRAINING, "dev"])
def test_every_row_is_whole(name: str) -> None:
    for row in rows(name):
        assert row["label"] in LEVELS
        assert row["category"] in CATEGORIES
        assert row["lang"] in {"en", "de", "es", "fr"}
        assert row["text"].strip()
        assert isinstance(row["hard"], bool)
        assert all(set(turn) == {"role", "text"} and turn["role"] in {"user", "assistant"} for turn in row["turns"])


def test_no_row_stands_twice() -> None:
    keys = [(row["text"], json.dumps(row["turns"])) for name in TRAINING for row in rows(name)]
    assert len(keys) == len(set(keys))
    ids = [row["id"] for name in TRAINING for row in rows(name)]
    assert len(ids) == len(set(ids))
    assert len(ids) >= 2528 + 5000


def test_what_measures_is_not_trained_on() -> None:
    measured = [grams(row["text"]) for row in rows("dev")]
    places: dict[str, set[int]] = {}
    for number, found in enumerate(measured):
        for gram in found:
            places.setdefault(gram, set()).add(number)
    for name in TRAINING[1:]:
        for row in rows(name):
            mine = grams(row["text"])
            shared: dict[int, int] = {}
            for gram in mine:
                for number in places.get(gram, ()):
                    shared[number] = shared.get(number, 0) + 1
            for number, count in shared.items():
                assert count / len(mine | measured[number]) <= 0.5, row["id"]
