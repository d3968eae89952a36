"""Words and the kinds of things they name (resources/safety/guard/kinds.toml). Never judges a sentence."""

import tomllib
import unicodedata
from functools import cache

from desktop.paths import RESOURCES

SIGNS = frozenset('.,;:!?"*')


def words_of(sentence: str) -> list[str]:
    """Words in lower case without accents and apostrophes, and signs, each by itself; figures become "0"."""
    text = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", sentence).casefold())
    letters = []
    for letter in text:
        if letter in SIGNS:
            letters.append(f" {letter} ")
        elif letter in "“”„«»":
            letters.append(' " ')
        elif letter.isalnum():
            letters.append("0" if letter.isdigit() else letter)
        elif not unicodedata.combining(letter) and letter not in "'’‘`´" and unicodedata.category(letter) != "Cf":
            letters.append(" ")
    return "".join(letters).split()


def kind_of(word: str) -> str:
    """The kind's name in capitals, or the word itself where it is of none."""
    whole, beginnings = _kinds()
    if found := whole.get(word):
        return found
    if word[:1] == "0":
        return "0"
    return next((beginnings[word[:length]] for length in range(4, len(word) + 1) if word[:length] in beginnings), word)


@cache
def _kinds() -> tuple[dict[str, str], dict[str, str]]:
    with (RESOURCES / "safety" / "guard" / "kinds.toml").open("rb") as file:
        kinds: dict[str, str] = tomllib.load(file)["kinds"]
    whole: dict[str, str] = {}
    beginnings: dict[str, str] = {}
    for name, words in kinds.items():
        for word in words.split():
            (beginnings if word.endswith("*") else whole).setdefault(word.rstrip("*"), name)
    return whole, beginnings
