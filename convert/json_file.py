"""Reads the JSON files that lie beside the weights; never trusts their size or shape."""

import json
from pathlib import Path
from typing import Any

from convert.errors import ConvertError

Json = dict[str, Any]

LARGEST = 100_000_000  # bytes; the largest tokenizer.json in use is about 35 MB
# Commas, colons and brackets: what a value costs in memory is many times its letters. A quarter of a million tokens
# with half a million merges have about two million.
MOST_MARKS = 4_000_000
LARGEST_WIDE = 50_000_000  # bytes of a text beyond ASCII, which may take four times the memory


def parse_object(text: bytes, what: str) -> Json:
    """Return the JSON object in UTF-8 `text`; `what` names it in the error. Raises ConvertError."""
    value = _parse(text, what)
    if not isinstance(value, dict):
        raise ConvertError(f"{what} does not hold a JSON object.")
    return value


def read_object(path: Path) -> Json:
    """Return the JSON object in the file at `path`. Raises ConvertError when there is none to be read."""
    return parse_object(_read(path), str(path))


def read_list(path: Path) -> list[Any]:
    """Return the JSON list in the file at `path`. Raises ConvertError when there is none to be read."""
    value = _parse(_read(path), str(path))
    if not isinstance(value, list):
        raise ConvertError(f"{path} does not hold a JSON list.")
    return value


def read_object_if_present(path: Path) -> Json:
    """Return the JSON object in the file at `path`, or an empty one when there is no such file."""
    return read_object(path) if path.exists() else {}


def _parse(text: bytes, what: str) -> object:
    if sum(text.count(mark) for mark in b",:[{") > MOST_MARKS or (len(text) > LARGEST_WIDE and not text.isascii()):
        raise ConvertError(f"{what} holds more than any model has; it is damaged or made to fill the memory.")
    try:
        value: object = json.loads(text.decode("utf-8"), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise ConvertError(f"{what} is not valid JSON.") from error
    return value


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST:
            raise ConvertError(f"{path} is larger than {LARGEST // 1_000_000} MB, too large for a settings file.")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ConvertError(f"{path} is missing.") from error
    except OSError as error:
        raise ConvertError(f"{path} cannot be read ({error.strerror}).") from error


def _without_duplicates(pairs: list[tuple[str, Any]]) -> Json:
    # The safetensors format forbids doubled keys: two readers could disagree on which one counts.
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key appears twice")
    return result
