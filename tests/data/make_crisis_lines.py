"""Writes resources/crisis_lines/ anew from the collected list: `make_crisis_lines.py crisis_lines.json`.

A line that a person has confirmed (`checked`) is edited in its file by hand; running this again would lose that.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

OUT = Path(__file__).parent.parent.parent / "resources/crisis_lines"
FIELDS = (
    "name", "kind", "audience", "phone", "text", "chat", "hours", "languages", "source_count", "source_year", "note",
)  # fmt: skip


def main() -> None:
    by_country: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in json.loads(Path(sys.argv[1]).read_text("utf-8")):
        by_country[entry["country"]].append(entry)
    for country, entries in by_country.items():
        lines = [f"country = {json.dumps(country)}", f"name = {quoted(entries[0]['country_name'])}"]
        for entry in entries:
            lines += ["", "[[lines]]"]
            lines += [f"{field} = {quoted(entry[field])}" for field in FIELDS if entry.get(field) is not None]
            lines += ["sources = ["] + [f"    {quoted(source)}," for source in entry["source"].split("; ")] + ["]"]
        (OUT / f"{country.lower()}.toml").write_text("\n".join(lines) + "\n", "utf-8")


def quoted(value: str | int | list[str]) -> str:
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    main()
