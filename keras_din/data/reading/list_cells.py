"""Lists in the cells of a frame whose other cells hold single values."""

import numpy as np
import pandas as pd

from keras_din.data.reading.bad_rows import Reason, to_bad_rows

CONTAINERS = (list, tuple, dict, set, np.ndarray)


def split_off_lists(frame: pd.DataFrame, columns: list, several=()) -> tuple:
    """Keeps rows aside that have a list where most rows have a single value.

    Args:
        frame: The rows.
        columns: The columns that are read.
        several: Those of them that may hold lists and single values.

    Returns:
        `(frame, lines, bad)`: the other rows; the row number of each from 0, int64 `(rows,)`; the
        bad rows. Without bad rows it is the frame itself, `None` and `None`. A column in which most
        values are lists has no bad rows.
    """
    reasons = np.full(len(frame), None, object)
    for name in columns:
        # This scan is fast, and a column with lists and single values is always mixed.
        if name in several or frame[name].dtype != object or not _is_mixed(frame[name]):
            continue
        lists = np.fromiter((isinstance(v, CONTAINERS) for v in frame[name]), bool, len(frame))
        if 2 * lists.sum() <= frame[name].notna().sum():
            reasons[lists & pd.isna(reasons)] = Reason(f"{name!r} is a list, unlike in most rows")
    good = pd.isna(reasons)
    if good.all():
        return frame, None, None
    rows = frame[columns].reset_index(drop=True)
    return rows[good], np.flatnonzero(good), to_bad_rows(rows[~good], reasons[~good])


def _is_mixed(values: pd.Series) -> bool:
    return pd.api.types.infer_dtype(values, skipna=True).startswith("mixed")
