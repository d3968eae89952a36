"""Matches an adapter's own patterns against the names of modules; never lets a hostile one hold the program up.

A regular expression can take longer than the age of the universe. What is more than a name with dots is therefore
matched in a child process (`python -m convert.patterns`: a JSON object on stdin, a list of places on stdout), which is
ended when it takes too long.
"""

import json
import re
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence

from convert.errors import ConvertError

LONGEST, MOST = 1000, 10_000  # letters in a pattern, patterns in a table
PATIENCE = 20.0  # seconds for a whole table; a real one takes a fraction of one
NAME = re.compile(r"[\w.^$\\-]*")  # nothing in it can be matched in two ways


def check_patterns(field: str, patterns: Collection[str]) -> None:
    """Raise ConvertError naming `field` when one of its patterns is none, or is too long, or there are too many."""
    if len(patterns) > MOST:
        raise ConvertError(f"The adapter's {field} holds {len(patterns)} patterns; more than {MOST} are not read.")
    for pattern in patterns:
        if len(pattern) > LONGEST:
            raise ConvertError(f"The adapter's {field} holds a pattern of {len(pattern)} letters, too long for one.")
        try:
            re.compile(f"({pattern})")
        except (re.error, RecursionError, OverflowError) as error:
            raise ConvertError(f"The adapter's {field} holds {pattern!r}, which is no pattern.") from error


def first_fits(field: str, patterns: Sequence[str], names: Sequence[str]) -> Mapping[str, str]:
    """Return the first of `patterns` that fits the end of each of `names`, as PEFT matches them, where one does.

    Raises ConvertError naming `field` when that does not come to an end.
    """
    if not patterns or not names:
        return {}
    if all(NAME.fullmatch(pattern) for pattern in patterns):
        places = _places(patterns, names)
    else:
        places = _places_apart(field, patterns, names)
    return {name: patterns[place] for name, place in zip(names, places, strict=True) if place >= 0}


def _places(patterns: Sequence[str], names: Sequence[str]) -> list[int]:
    compiled = [re.compile(rf"(.*\.)?({pattern})") for pattern in patterns]
    return [next((place for place, form in enumerate(compiled) if form.fullmatch(name)), -1) for name in names]


def _places_apart(field: str, patterns: Sequence[str], names: Sequence[str]) -> list[int]:
    command = [sys.executable, "-P", "-m", "convert.patterns"]
    asked = json.dumps({"patterns": patterns, "names": names}).encode()
    try:
        run = subprocess.run(command, input=asked, capture_output=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired as error:
        raise ConvertError(
            f"The adapter's {field} cannot be matched within {PATIENCE:.0f} seconds; write out the modules' names."
        ) from error
    if run.returncode:
        raise ConvertError(f"The adapter's {field} cannot be matched; write out the modules' names.")
    places: list[int] = json.loads(run.stdout)
    return places


if __name__ == "__main__":
    question = json.load(sys.stdin)
    sys.stdout.write(json.dumps(_places(question["patterns"], question["names"])))
