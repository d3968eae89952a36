"""Which of llama.cpp's named pre-tokenizers a tokenizer.json defines; never guesses one.

Two ways lead to a name. The definition: how the text is normalized and cut, as tokenizer.json states it. And
llama.cpp's own: the SHA-256 of the tokens of one fixed text (conversion/base.py, get_vocab_base_pre), which tells
vocabularies apart that share a definition. That text is always the same, so how each definition cuts it is data
(pre_tokenizers.json, made by tests/data/record_pre_tokenizers.py).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from convert.errors import ConvertError
from convert.json_file import Json
from convert.vocab.files import TokenizerFiles, listed_tokens

# Settings of a step that change which words come out; a missing one counts as the value given here.
SETTINGS: Mapping[str, Mapping[str, object]] = {
    "ByteLevel": {"add_prefix_space": True, "use_regex": True},
    "Digits": {"individual_digits": False},
    "Split": {"pattern": None, "behavior": None, "invert": False},
    "BertNormalizer": {"clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
}

Definition = tuple[str, ...]


@dataclass(frozen=True)
class Known:
    """A definition with llama.cpp's name for it and the words it cuts the check text into."""

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """What pre_tokenizers.json holds, by definition; names by the hash of the check text's tokens."""

    byte_level: Mapping[Definition, Known]
    word_piece: Mapping[Definition, Known]
    check_text: str
    names: Mapping[str, str]


@cache
def table() -> Table:
    """Return the table of known pre-tokenizers."""
    data = json.loads(Path(__file__).with_name("pre_tokenizers.json").read_text("ascii"))
    byte_level = {
        _definition(row["normalizer"], row["steps"], whole_words=row["ignore_merges"]): Known(
            row["name"], tuple(row["words"])
        )
        for row in data["byte_level"]
    }
    bert = [{"type": "BertPreTokenizer"}]
    # llama.cpp cuts every WordPiece text in one way and only reports the name.
    word_piece = {
        _definition(row["normalizer"], bert, whole_words=False): Known("default", tuple(row["words"]))
        for row in data["word_piece"]
    }
    return Table(byte_level, word_piece, data["check_text"], data["hashes"])


def known_definition(tokenizer: Json, known: Mapping[Definition, Known]) -> Known:
    """Return which of the `known` definitions `tokenizer` has. Raises ConvertError saying what it found."""
    model = tokenizer["model"]
    found = _definition(
        tokenizer.get("normalizer"),
        _parts(tokenizer.get("pre_tokenizer"), "pretokenizers"),
        whole_words=bool(model.get("ignore_merges")),
    )
    if found not in known:
        words = " then ".join(found) or "nothing"
        raise ConvertError(f"The way tokenizer.json cuts text into words is not known to llama.cpp; found: {words}.")
    return known[found]


def name_by_hash(files: TokenizerFiles, known: Known, tokens: Sequence[int] | None) -> str:
    """Return the name by llama.cpp's hash of the check text's `tokens`, else the name of the definition.

    None for `tokens` says that the vocabulary cannot spell the text. An added token inside the text would cut it
    in another way than the recorded one, so there is no hash then.
    """
    digest = check_hash(files, tokens)
    return known.name if digest is None else table().names.get(digest, known.name)


def check_hash(files: TokenizerFiles, tokens: Sequence[int] | None) -> str | None:
    """Return llama.cpp's hash of `tokens`, those that the post-processor adds around them included."""
    if tokens is None or any(token.text in table().check_text for token in listed_tokens(files) if token.text):
        return None
    before, after = added_around(files.tokenizer)
    return hashlib.sha256(str([*before, *tokens, *after]).encode()).hexdigest()


def added_around(tokenizer: Json) -> tuple[list[int], list[int]]:
    """Return the tokens that the post-processor puts before and after a single text."""
    before: list[int] = []
    after: list[int] = []
    for step in _parts(tokenizer.get("post_processor"), "processors"):
        if not isinstance(step, dict) or step.get("type") != "TemplateProcessing":
            continue
        specials = step.get("special_tokens")
        side = before
        for piece in step.get("single") or []:
            special = piece.get("SpecialToken") if isinstance(piece, dict) else None
            if special is None:
                side = after
            elif isinstance(special, dict) and isinstance(specials, dict):
                entry = specials.get(special.get("id"))
                side += entry.get("ids") or [] if isinstance(entry, dict) else []
    return before, after


def _parts(found: object, key: str) -> list[object]:
    """Return the steps of a Sequence, or the one step there is."""
    if not isinstance(found, dict):
        return [] if found is None else [found]
    parts = found.get(key) if found.get("type") == "Sequence" else [found]
    return parts if isinstance(parts, list) else []


def _definition(normalizer: object, steps: Sequence[object], *, whole_words: bool) -> Definition:
    words = ["whole words first"] if whole_words else []
    return (*(_step(part) for part in _parts(normalizer, "normalizers")), *(_step(part) for part in steps), *words)


def _step(part: object) -> str:
    """Return one step with the settings that change what it does: others concern positions in the text only."""
    if not isinstance(part, dict):
        return "nothing"
    kind = str(part.get("type"))
    settings = SETTINGS.get(kind, dict.fromkeys(key for key in part if key != "type"))
    values = {key: part.get(key, default) for key, default in settings.items()}
    if kind == "BertNormalizer" and values["strip_accents"] is None:
        values["strip_accents"] = values["lowercase"]
    return " ".join([kind, *(f"{key}={value}" for key, value in values.items())])
