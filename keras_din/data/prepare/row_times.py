"""The times of rows that contain their histories, from which features are computed."""

import numpy as np
import pandas as pd

from keras_din.data.reading.columns import is_missing
from keras_din.data.reading.times import to_microseconds
from keras_din.features import NO_TIME, Timestamp


def row_times(
    feature: Timestamp, name: str, values, real=None, *, of_behaviors: bool = False
) -> np.ndarray:
    """Converts a column of times to microseconds since 1970.

    Args:
        feature: The `Timestamp`, with the unit of times that are numbers.
        name: Name of the column, for errors.
        values: Times `(values,)`: dates, ISO 8601 strings or numbers in the unit.
        real: Which values must be times, bool `(values,)`; the others are padding. Defaults to
            all.
        of_behaviors: Whether a missing value is the time of a behavior that is not known.

    Returns:
        int64 `(values,)`, 0 at padding, and `NO_TIME` where the time of a behavior is missing.

    Raises:
        ValueError: If a value is not a time.
    """
    series = pd.Series(values).reset_index(drop=True)
    real = np.ones(len(series), bool) if real is None else real
    if not real.any():
        return np.zeros(len(series), np.int64)
    times, known, _ = to_microseconds(name, series, feature.time_unit)
    missing = is_missing(series) if of_behaviors else np.zeros(len(series), bool)
    times = np.where(missing, NO_TIME, times)
    wrong = real & ~known & ~missing
    if wrong.any():
        at = int(wrong.argmax())
        raise ValueError(
            f"Column {name!r} must hold a time in each row and for each behavior, from which "
            f"features are computed. Received: {series.iloc[at]!r}, value {at} of the column "
            "from 0."
        )
    return np.where(real, times, 0)
