"""The screen by itself, for evaluation: lines in, verdicts out. Never opens a vault, and nothing is kept."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from desktop.errors import UserError
from desktop.paths import RESOURCES
from desktop.records import Category
from desktop.safety import lines, replies
from desktop.safety.guard import Guard
from desktop.safety.verdict import Said

ROLES = ("user", "assistant", "written")
ROWS = RESOURCES / "safety" / "data" / "dev.jsonl"


def verdicts(lines: Iterable[bytes]) -> Iterator[str]:
    """One line of JSON for each line, in order: `{"level", "category", "score"}`, or `{"error"}` for a bad one."""
    from desktop.safety.screen import screen

    for line in lines:
        turns = _turns(line)
        if isinstance(turns, str):
            yield json.dumps({"error": turns})
            continue
        verdict = screen(turns)
        yield json.dumps({"level": verdict.level, "category": verdict.category, "score": verdict.score})


def guarded(rows: Iterable[bytes]) -> Iterator[str]:
    """One line of JSON for each `{"answer"}`: `{"shown", "held", "rules"}`, or `{"error"}` for a bad one."""
    for line in rows:
        try:
            answer = json.loads(line)["answer"]
        except (ValueError, RecursionError, KeyError, TypeError):
            answer = None
        if not isinstance(answer, str):
            yield json.dumps({"error": 'not an object with a string "answer"'})
            continue
        guard = Guard()
        shown = "".join(guard.feed(piece) for piece in re.findall(r"\S*\s*", answer)) + guard.end()
        held = [one.sentence for one in guard.held]
        yield json.dumps({"shown": shown, "held": held, "rules": [one.rule for one in guard.held]})


def safety_report(path: Path) -> str:
    """The screen's scores on the labelled rows of `path`, as Markdown. Raises UserError("no_labelled_rows")."""
    from desktop.safety import report

    try:
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
        return report.report(report.judge(rows))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UserError("no_labelled_rows", path=str(path)) from None


def help_lines(code: str | None) -> list[str]:
    """Whom to call in a country, or without one the countries there are. Raises UserError("country_unknown")."""
    named = lines.countries()
    if code is None:
        return [f"{country}\t{name}" for country, name in named.items()]
    if code not in named:
        raise UserError("country_unknown", country=code)
    return replies.resources(Category.EVERYDAY, code).splitlines()


def _turns(line: bytes) -> list[Said] | str:
    """The turns that a line holds, or what is wrong with it."""
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError):
        return "not JSON"
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        return 'not an object with a string "text"'
    earlier = row.get("turns") or []
    if not isinstance(earlier, list):
        return '"turns" is not a list'
    turns: list[Said] = []
    for turn in earlier:
        if not isinstance(turn, dict) or turn.get("role") not in ROLES or not isinstance(turn.get("text"), str):
            return '"turns" holds something that is not {"role", "text"}'
        turns.append((turn["role"], turn["text"]))
    return [*turns, ("user", row["text"])]
