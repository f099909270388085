"""Splits off rows whose text is not UTF-8."""

import numpy as np
import pandas as pd
import pyarrow as pa

from keras_din.data.reading.arrow_types import is_bytes
from keras_din.data.reading.bad_rows import not_utf8, to_bad_rows


def split_off_bad_text(table: pa.Table, lines: np.ndarray | range):
    """Splits off rows with fields that are not UTF-8; returns `(table, lines, bad rows)`.

    This happens before types are detected. Otherwise one such field would turn a column of
    numbers into text.
    """
    reasons = None
    for name in table.column_names:
        if not is_bytes(table[name].type):
            continue
        try:
            table[name].cast(pa.large_string())
        except pa.ArrowInvalid:
            reasons = np.full(len(lines), None, object) if reasons is None else reasons
            cells = decode(pd.Series(table[name].to_pylist(), dtype=object))
            wrong = cells[1] & pd.isna(reasons)
            reasons[wrong] = not_utf8(name)
    if reasons is None:
        return table, lines, None
    lines = np.asarray(lines)
    wrong = ~pd.isna(reasons)
    rows = table.filter(pa.array(wrong)).to_pandas().set_axis(lines[wrong])
    rows = rows.apply(lambda column: decode(column)[0])
    return table.filter(pa.array(~wrong)), lines[~wrong], to_bad_rows(rows, reasons[wrong])


def decode(values: pd.Series):
    """Converts bytes to text; returns the text and where a value is not UTF-8."""
    wrong = np.zeros(len(values), bool)
    text = values.to_numpy(object, copy=True)
    for row, value in enumerate(text):
        if isinstance(value, bytes):
            try:
                text[row] = value.decode()
            except UnicodeDecodeError:
                wrong[row] = True
    return pd.Series(text, values.index), wrong
