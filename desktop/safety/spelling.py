"""Writing as it is meant: disguises, stretched and spaced letters, code words and slips undone. Never raises.

What comes out is lower case words without accents or apostrophes, parted by single spaces.
"""

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from desktop.paths import RESOURCES

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\0]"
)
_APOSTROPHES = re.compile("(?<=\\w)['’‘`´](?=\\w)")
_LEET = str.maketrans({"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "!": "i"})
_LETTERS = re.compile(r"[a-z0-9@$!]{3,}")
_SIGNS = frozenset("0134570@$!")
_ENDING = re.compile(r"[013457@$!]+$")
_SPACED = re.compile(r"(?<!\w)\w(?:[ .\-_*/]{1,3}\w){3,60}(?!\w)")
_STRETCHED = re.compile(r"([a-z])\1{2,}")
_TOKENS = re.compile(r"\w+|[.?!,;:\"]")


@dataclass(frozen=True)
class _Spelling:
    letters: Mapping[int, str]
    codes: Mapping[str, str]
    slips: Mapping[str, str]
    key: frozenset[str]
    pieces: frozenset[str]
    never: frozenset[str]


def plain(text: str) -> str:
    """The words as they are meant. Linear in the length of `text`."""
    spelling = _spelling()
    if not text.isascii():
        text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))
        text = unicodedata.normalize("NFD", text.translate(spelling.letters).casefold())
        text = "".join(letter for letter in text if not unicodedata.combining(letter))
    text = _APOSTROPHES.sub("", text.replace("\0", "").casefold())
    text = _LETTERS.sub(lambda found: _undisguised(found.group()), text)
    text = _SPACED.sub(lambda found: _joined(found.group(), spelling), text)
    text = _STRETCHED.sub(r"\1\1", text)
    tokens = _TOKENS.findall(text)
    known = {token: _meant(token, spelling) for token in set(tokens)}
    return " ".join([word for token in tokens if (word := known[token])])


def _undisguised(word: str) -> str:
    """Signs and figures that stand for letters as those letters; "50mg", "3rd" and a final "!" stay what they are."""
    if word.isalpha() or len(word) > 30:
        return word
    core = _ENDING.sub("", word)
    signs = sum(letter in _SIGNS for letter in core)
    letters = sum(letter.isalpha() for letter in core)
    starts_well = core[:1].isalpha() or core[:1] in ("@", "$") or len(core) >= 6
    if not signs or letters <= signs or len(core) < 3 or not starts_well:
        return word
    return core.translate(_LEET) + word[len(core) :]


def _joined(spaced: str, spelling: _Spelling) -> str:
    """Single letters as the words they spell, where they can be cut into known ones; else as one word."""
    letters = "".join(letter for letter in spaced if letter.isalnum())
    if letters.isdigit():
        return spaced
    letters = letters.translate(_LEET)
    cuts: list[tuple[str, ...] | None] = [()] + [None] * len(letters)
    for end in range(1, len(letters) + 1):
        for start in range(max(0, end - 10), end):
            before = cuts[start]
            if before is not None and letters[start:end] in spelling.pieces:
                cuts[end] = (*before, letters[start:end])
                break
    return " ".join(cuts[-1] or (letters,))


def _meant(token: str, spelling: _Spelling) -> str:
    if token in spelling.codes:
        return spelling.codes[token]
    if token in spelling.key or token in spelling.never or not 4 <= len(token) <= 16:
        return token
    single = re.sub(r"(.)\1", r"\1", token)
    if single in spelling.key or single in spelling.pieces:
        return single
    if len(token) < 6:
        return token
    for start in range(len(token)):
        shorter = token[:start] + token[start + 1 :]
        if shorter in spelling.key:
            return shorter
        if shorter in spelling.slips:
            return spelling.slips[shorter]
    return spelling.slips.get(token, token)


@cache
def _spelling() -> _Spelling:
    with (RESOURCES / "safety" / "spelling.toml").open("rb") as file:
        data = tomllib.load(file)
    key = [word for word in data["key"]["words"] if len(word) >= 6]
    letters = dict(zip(map(ord, data["lookalikes"]["from"]), data["lookalikes"]["to"], strict=False))
    letters |= {ord(emoji): f" {meaning} " for emoji, meaning in data["emoji"].items()}
    slips = {word[:at] + word[at + 1 :]: word for word in key for at in range(len(word))}
    key_words = frozenset(data["key"]["words"])
    return _Spelling(
        letters, data["codes"], slips, key_words, frozenset(data["key"]["pieces"]), frozenset(data["key"]["never"])
    )


def is_disguised(text: str) -> bool:
    """Whether reading `text` undid more than capitals, accents and apostrophes."""
    flat = unicodedata.normalize("NFD", text.casefold())
    flat = "".join(letter for letter in flat if not unicodedata.combining(letter))
    return " ".join(_TOKENS.findall(_APOSTROPHES.sub("", flat))) != plain(text)
