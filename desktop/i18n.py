"""The words on the screen, out of resources/locale/. Never a sentence in the code itself."""

import tomllib
from collections.abc import Mapping
from functools import cache

from desktop.errors import UserError
from desktop.paths import RESOURCES


@cache
def _texts(language: str) -> Mapping[str, Mapping[str, str]]:
    with (RESOURCES / "locale" / f"{language}.toml").open("rb") as file:
        return tomllib.load(file)


def text(key: str, **details: str | int) -> str:
    """The words for `key` ("section.name") with its blanks filled. Raises KeyError for an unknown key."""
    section, name = key.split(".", 1)
    words = _texts("en")[section][name].strip()
    return words.format(**details) if details else words


def error_text(error: UserError) -> str:
    """The one calm sentence for an error."""
    return text(f"errors.{error.code}", **error.details)
