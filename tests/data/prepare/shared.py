"""Reads histories and raw values from prepared data, and makes logs by day."""

import numpy as np
import pandas as pd

DAY = 86_400  # Seconds.


def a_day(day, rows=16, users=4, items=5, seed=0):
    """Random rows of one day. Items are born: each day has two that the day before had not."""
    rng = np.random.default_rng([seed, day])
    return pd.DataFrame(
        {
            "user": [f"u{user}" for user in rng.integers(users, size=rows)],
            "time": 1_600_000_000 + day * DAY + np.sort(rng.integers(DAY, size=rows)),
            "item": rng.integers(2 * day, 2 * day + items, rows),
            "tags": [
                "|".join(f"t{t}" for t in rng.integers(5 + day, size=s))
                for s in rows % 3 + rng.integers(3, size=rows)
            ],
            "price": rng.normal(size=rows),
            "click": rng.integers(2, size=rows),
        }
    )


def histories(data, part, column="item", sequence="hist"):
    """Returns the raw values of each sample's history."""
    samples, log = data.parts[part], data.behaviors[sequence]
    feature = data.spec.features[column]
    values = (None, "?", *feature.vocabulary)
    start, end = samples.history[sequence]
    return [
        [values[i] for i in log.columns[column][first:last]]
        for first, last in zip(start, end, strict=True)
    ]


def raw(data, part, column):
    values = (None, "?", *data.spec.features[column].vocabulary)
    return [values[i] for i in data.parts[part].columns[column]]
