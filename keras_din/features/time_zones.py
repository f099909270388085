"""Time zones as tables of offsets from UTC."""

import datetime
import functools
import re
import zoneinfo

# The first and the last day whose offsets are resolved, in seconds since 1970.
_FIRST = int(datetime.datetime(1900, 1, 1, tzinfo=datetime.timezone.utc).timestamp())
_LAST = int(datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc).timestamp())
_DAY = 86_400
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def utc_offsets(owner: str, time_zone: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Returns the offsets of a time zone from UTC, from 1900 to 2100.

    Args:
        owner: Name of the owner in errors.
        time_zone: A name of the IANA database such as `"Europe/Berlin"`, `"UTC"`, or a fixed
            offset such as `"+05:30"`.

    Returns:
        `(transitions, offsets)`: `offsets[i]` in seconds is valid from `transitions[i - 1]` until
        before `transitions[i]`, seconds since 1970. There is one more offset than transitions.

    Raises:
        ValueError: If there is no such time zone.
    """
    if time_zone == "UTC":
        return (), (0,)
    found = re.fullmatch(r"([+-])([01]\d|2[0-3]):([0-5]\d)", time_zone)
    if found:
        seconds = int(found[2]) * 3600 + int(found[3]) * 60
        return (), (seconds if found[1] == "+" else -seconds,)
    try:
        zone = zoneinfo.ZoneInfo(time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"`time_zone` of {owner} must be a name of the IANA database such as "
            "'Europe/Berlin', 'UTC', or an offset such as '+05:30'. If the system has no "
            f"database, install the package `tzdata`. Received: time_zone={time_zone!r}."
        ) from error
    return _resolve(zone)


@functools.lru_cache
def _resolve(zone: zoneinfo.ZoneInfo) -> tuple[tuple[int, ...], tuple[int, ...]]:
    transitions: list[int] = []
    offsets = [_offset(zone, _FIRST)]
    for day in range(_FIRST, _LAST, _DAY):
        first, last = day, day + _DAY
        while offsets[-1] != _offset(zone, last):
            first = _first_change(zone, first, last, offsets[-1])
            transitions.append(first)
            offsets.append(_offset(zone, first))
    return tuple(transitions), tuple(offsets)


def _offset(zone: zoneinfo.ZoneInfo, second: int) -> int:
    """The offset from UTC at a second since 1970."""
    moment = (_EPOCH + datetime.timedelta(seconds=second)).astimezone(zone)
    offset = moment.utcoffset()
    assert offset is not None, "the moment has a time zone"
    return offset.days * _DAY + offset.seconds


def _first_change(zone: zoneinfo.ZoneInfo, low: int, high: int, offset: int) -> int:
    """The first second after `low` with another offset, which `high` has."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(zone, middle) == offset else (low, middle)
    return high
