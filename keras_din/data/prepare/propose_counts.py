"""Proposes counts of what a log knew of the item before each row."""

import numpy as np

from keras_din.data.reading.times import ORDER
from keras_din.features import OOV_INDEX, Categorical, id_feature

_ENOUGH = 10  # Training rows per item.
_WINDOW, _MICROSECONDS = "7d", 7 * 86_400_000_000
_OF_USER = "GAUC by user misleads with them, see `keras_din.Count`"
_WITHOUT = {
    "behaviors": "negatives were not shown, so counts would tell how they were chosen",
    "rows": "`prepare_rows` does not count, since its rows are no log of users",
}


def propose_counts(data) -> dict:
    """Returns `{name: (entry or None, reason)}` of counts of the item."""
    if data.log_format is None or not data.log_format.labels:
        reason = _WITHOUT.get(data.report.get("kind", ""), "the data is not of a log")
        return {"counts": (None, reason)}
    samples = data.parts["train"]
    binary = [each.name for each in data.spec.labels if each.is_binary]
    if not binary:
        return {"counts": (None, "all labels are numbers, and counts are of events")}
    label = data.log_format.labels[binary[0]]
    is_order = data.report.get("time_unit") == ORDER
    # A window must be shorter than the log, and needs times.
    has_window = not is_order and int(np.ptp(samples.time)) > _MICROSECONDS
    window, past = ({"window": _WINDOW}, f"the {_WINDOW} before") if has_window else ({}, "before")
    rate = {"event": label, "kind": "rate"} | window
    item, user = id_feature(data.spec.target), data.log_format.user
    found: dict = {}
    if isinstance(item, Categorical):
        values = samples.columns[item.name]
        values = values[values != OOV_INDEX]
        of_item = {
            "rate": (rate, f"the rate of {label!r} {past}"),
            "rows": ({"kind": "count"} | window, f"the number of rows {past}"),
        }
        if not is_order:
            of_item["age"] = ({"kind": "age"}, "the time since its first row")
        found |= _counts_of(item.name, values, of_item)
    return found | {f"counts of {user}": (None, _OF_USER)}


def _counts_of(key: str, values: np.ndarray, counts: dict) -> dict:
    """Returns the entries of counts of a key, or one reason if it has too few training rows."""
    rows = len(values) / max(len(np.unique(values)), 1)
    if rows < _ENOUGH:
        reason = f"training has {rows:.1f} rows per value, fewer than {_ENOUGH}"
        return {f"counts of {key}": (None, reason)}
    return {
        f"{key}_{word}": (
            {"type": "Count", "of": key, **arguments, "in": ["target"]},
            f"{what}; training has {rows:.1f} rows per value; clients send it, or export "
            "--snapshots",
        )
        for word, (arguments, what) in counts.items()
    }
