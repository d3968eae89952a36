"""The clock and the time zone, for all flows. Never formats a time for a person."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path


def utc_text(moment: datetime) -> str:
    """A moment as it is kept: UTC, ISO 8601 with microseconds and "Z"."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def now() -> str:
    """The present moment as it is kept."""
    return utc_text(datetime.now(UTC))


def local_zone() -> str:
    """The name of the local time zone (IANA where the system says it), "UTC" where it says nothing."""
    if name := os.environ.get("TZ", "").removeprefix(":"):
        return name
    linked = Path("/etc/localtime").resolve().as_posix()
    _, found, name = linked.partition("/zoneinfo/")
    return name if found else time.tzname[0] or "UTC"
