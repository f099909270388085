"""Proposes features that are computed from the times of a log."""

import numpy as np

from keras_din.data.prepare.training_pairs import training_pairs
from keras_din.data.reading.times import ORDER
from keras_din.features import NO_TIME, Calendar, id_feature

_DAY = 86_400_000_000  # Microseconds.
_PARTS = {"hour_of_day": 1, "day_of_week": 7}  # Part of `Calendar` -> days that it needs.
_SHARES = (0.01, 0.99)


def propose_elapsed(data) -> dict:
    """Returns `{name: (entry or None, reason)}` of the time since a behavior."""
    if (reason := _no_times(data)) is not None:
        return {"elapsed": (None, reason)}
    if not data.spec.sequences:
        return {"elapsed": (None, "the data has no histories")}
    for name, log in data.behaviors.items():
        if log.time is None:
            reason = (
                f"the histories of {name!r} were read without times; if the rows have the column "
                f"{name}_time, add an Elapsed to the features"
            )
            return {"elapsed": (None, reason)}
    seconds = np.concatenate([_elapsed(data, each) for each in data.spec.sequences]) / 1e6
    seconds = seconds[seconds >= 1]
    if not len(seconds):
        return {"elapsed": (None, "no training row has a behavior of at least a second before")}
    shortest, longest = np.quantile(seconds, _SHARES, method="nearest")
    first, last = int(np.log2(shortest)), int(np.log2(longest))
    boundaries = [2**power for power in range(first, last + 1)]
    reason = (
        f"{boundaries[0]:,} to {boundaries[-1]:,} seconds by powers of 2: most behaviors of "
        f"training rows are {_duration(shortest)} to {_duration(longest)} before the row"
    )
    entry = {"type": "Elapsed", "dim": _dim(data), "boundaries": boundaries}
    return {"elapsed": (entry | {"in": ["side_features"]}, reason)}


def propose_calendar(data, time_zone: str | None) -> dict:
    """Returns `{name: (entry or None, reason)}` of the hour of the day and the day of the week."""
    if (reason := _no_times(data)) is not None:
        return dict.fromkeys(_PARTS, (None, reason))
    times = data.parts["train"].time
    span = int(times.max() - times.min())
    # Histories in rows have no times, unless the data has a feature that is computed from them.
    of_behaviors = all(log.time is not None for log in data.behaviors.values())
    places = ["context", *(["side_features"] if data.behaviors and of_behaviors else [])]
    zone = "UTC" if time_zone is None else time_zone
    guess = "a guess; `time_zone` (--time-zone) sets it" if time_zone is None else "as given"
    found: dict = {}
    for part, days in _PARTS.items():
        Calendar(part, time_zone=zone)  # Raises an error if there is no such time zone.
        if span <= days * _DAY:
            reason = f"the training rows span {span / _DAY:.1f} days, not more than {days}"
            found[part] = (None, reason)
        elif part == "hour_of_day" and (times % _DAY == times[0] % _DAY).all():
            found[part] = (None, "all training rows are at one time of the day")
        else:
            entry = {"type": "Calendar", "part": part, "time_zone": zone, "dim": _dim(data)}
            reason = f"the training rows span {span / _DAY:.1f} days; time zone {zone}, {guess}"
            found[part] = (entry | {"in": places}, reason)
    return found


def _no_times(data) -> str | None:
    """Why there are no times, or `None` if there are."""
    if data.parts["train"].time is None:
        return "the log was read without times"
    if data.report.get("time_unit") == ORDER:
        return "the log has an order instead of times"
    return None


def _elapsed(data, sequence) -> np.ndarray:
    """Microseconds between training rows and the behaviors with a time that a model reads."""
    rows, row, event = training_pairs(data, sequence)
    at = data.behaviors[sequence.name].time[event]
    known = at != NO_TIME
    return data.parts["train"].time[rows][row[known]] - at[known]


def _dim(data) -> int:
    """The width of the item's embeddings: some models require one width of all features."""
    return id_feature(data.spec.target).table.dim


def _duration(seconds: float) -> str:
    """A duration in words."""
    for size, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"
