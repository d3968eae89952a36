"""Fails until a person has confirmed every crisis line that is shown, at its provider, within the last 180 days."""

import sys
from datetime import date, timedelta

from desktop.safety.lines import EVERYWHERE, countries, lines

DAYS = 180


def main() -> int:
    """Prints what is still to be confirmed. Returns 1 where there is anything."""
    oldest = date.today() - timedelta(days=DAYS)
    due = [
        f"{country}: {line.name}: {line.ways}"
        for country in [*countries(), EVERYWHERE]
        for line in lines(country)
        if line.is_shown and (line.checked is None or not oldest <= line.checked <= date.today())
    ]
    sys.stdout.write("\n".join([*due, f"{len(due)} lines are to be confirmed by a person before a release."]) + "\n")
    return 1 if due else 0


if __name__ == "__main__":
    sys.exit(main())
