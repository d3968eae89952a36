"""What the clock on the wall showed: an instant in the zone that is kept beside it. Never reads the clock."""

from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo


def local(time: str, zone: str) -> datetime:
    """The time on the wall; in UTC where that zone is not known here."""
    return datetime.fromisoformat(time).astimezone(zone_of(zone))


def local_day(time: str, zone: str) -> date:
    """The day on the wall, in the zone it was written in; UTC where that zone is not known here."""
    return local(time, zone).date()


@lru_cache(maxsize=256)
def zone_of(name: str) -> tzinfo:
    """An IANA zone, or a fixed distance such as "+02:00", or UTC."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        pass
    try:
        return timezone(datetime.strptime(name, "%z").utcoffset() or timedelta())
    except ValueError:
        return UTC
