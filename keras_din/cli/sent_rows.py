"""Converts rows of a table to the raw values that a client sends to a server."""

import functools

import numpy as np
import pandas as pd

from keras_din.features import FeatureSpec, Timestamp, Vector, id_feature


def sent_rows(frame: pd.DataFrame, spec: FeatureSpec) -> dict:
    """Creates the inputs of the signature `rank`, with one candidate per row.

    Args:
        frame: One column per input, same as in `keras_din.data.rows_dataset`.
        spec: The features.

    Returns:
        Input name -> array: context `(rows,)`, target `(rows, 1)`, behaviors `(rows, time)`,
        padded at the end. A feature of several values has one more axis. A missing number is sent
        as NaN, any other missing value as an out-of-vocabulary value. A missing item of a
        behavior, and a missing value of a feature of several values, is sent as padding.
    """
    from keras_din.serving.graph.encoding import raw_dtype
    from keras_din.serving.graph.signatures import input_specs

    sent = {}
    for name, tensor in input_specs(spec, "rank").items():
        info = spec.raw_inputs[name]
        role, feature = info.role, info.feature
        if isinstance(feature, Vector):
            sent[name] = _vectors(feature, name, frame[name], role)
            continue
        cells = frame[name].tolist()
        if name in spec.time_inputs:
            sent[name] = _times(cells, spec.time_inputs[name], name, tensor.shape.rank)
            continue
        padding, missing = feature.padding_value, _missing_value(feature, info)
        if role == "target":
            cells = [[cell] for cell in cells]
        convert = functools.partial(_CONVERT[feature.raw_dtype], missing=missing)
        dtype = raw_dtype(feature).as_numpy_dtype
        sent[name] = _array(cells, tensor.shape.rank, dtype, padding, convert)
    return sent


def _vectors(feature: Vector, name: str, column: pd.Series, role: str) -> np.ndarray:
    """Vectors as a client sends them, NaN for a missing one, padded at the end with 0."""
    from keras_din.data.prepare.rows_dataset import rows_to_column

    if role != "behavior":
        found = rows_to_column(feature, name, column).astype(np.float32)
        return found[:, None] if role == "target" else found
    lists = [list(cell) if _is_list(cell) else [] for cell in column]
    flat = pd.Series([each for cell in lists for each in cell], dtype=object)
    lengths = np.array([len(cell) for cell in lists], np.int64)
    is_real = np.arange(lengths.max(initial=0)) < lengths[:, None]
    sent = np.zeros((*is_real.shape, feature.size), np.float32)
    sent[is_real] = rows_to_column(feature, name, flat)
    return sent


def _times(cells: list, feature: Timestamp, name: str, rank: int) -> np.ndarray:
    """Times of requests or behaviors in the unit of a version, padded at the end with 0."""
    from keras_din.data.prepare.row_times import row_times
    from keras_din.time_index import in_units

    lists = [cells] if rank == 1 else [cell if _is_list(cell) else [] for cell in cells]
    cells = [time for times in lists for time in times]
    flat = in_units(row_times(feature, name, cells, of_behaviors=rank > 1), feature.time_unit)
    bounds = np.cumsum([len(times) for times in lists])[:-1]
    nested = [each.tolist() for each in np.split(flat, bounds)]
    return _array(nested[0] if rank == 1 else nested, rank, np.int64, 0, lambda time: time)


def _is_list(cell) -> bool:
    return isinstance(cell, (list, tuple, np.ndarray))


def _missing_value(feature, info):
    """The value that is sent for a missing one."""
    if feature.takes_numbers:
        return np.nan
    of_behavior = info.sequence is not None and feature is id_feature(info.sequence.of)
    return feature.padding_value if feature.axes or of_behavior else feature.values.missing_value


def _array(cells, rank: int, dtype, padding, convert) -> np.ndarray:
    """Converts nested lists to an array of `rank` axes. Shorter lists are padded at the end."""
    if rank == 1:
        return np.array([convert(cell) for cell in cells], dtype)
    cells = [cell if _is_list(cell) else [] for cell in cells]
    inner = _array([value for cell in cells for value in cell], rank - 1, dtype, padding, convert)
    lengths = np.array([len(cell) for cell in cells], np.int64)
    width = lengths.max(initial=0)
    result = np.full((len(cells), width, *inner.shape[1:]), padding, dtype)
    result[np.arange(width) < lengths[:, None]] = inner
    return result


def _is_missing(value) -> bool:
    return value is None or value is pd.NA or value == "" or value != value


def _text(value, missing):
    if _is_missing(value):
        return missing
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value)


def _integer(value, missing):
    try:
        return missing if _is_missing(value) else int(value)
    except ValueError:
        return missing  # Text, which a client cannot send as a number.


def _number(value, missing):
    return missing if _is_missing(value) else float(value)


_CONVERT = {"string": _text, "int64": _integer, "int32": _integer, "float32": _number}
