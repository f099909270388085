"""Rows of a table as a client would send them to a server: the other way to the same model."""

import functools

import numpy as np
import pandas as pd

from keras_din.features import FeatureSpec, id_feature


def sent_rows(frame: pd.DataFrame, spec: FeatureSpec) -> dict:
    """Raw values as the signature `rank` takes them, with one candidate a row.

    Args:
        frame: A column an input, as of `keras_din.data.rows_dataset`.
        spec: The features.

    Returns:
        Input name -> array: context `(rows,)`, target `(rows, 1)`, behaviors `(rows, time)`,
        padded after the last; a feature of several values has one more axis. A value that is
        missing is sent as one that is out-of-vocabulary, a number as NaN. Where it would mark a
        behavior as padding, and in a feature of several values, it is padding.
    """
    from keras_din.serving.graph.raw_values import raw_dtype
    from keras_din.serving.graph.signatures import input_specs

    sent = {}
    for name, tensor in input_specs(spec, "rank").items():
        role, feature = spec.inputs[name].role, spec.inputs[name].feature
        padding, nothing = feature.padding_value, _nothing(feature, spec.inputs[name])
        cells = frame[name].tolist()
        if role == "target":
            cells = [[cell] for cell in cells]
        convert = functools.partial(_CONVERT[feature.raw_dtype], nothing=nothing)
        dtype = raw_dtype(feature).as_numpy_dtype
        sent[name] = _array(cells, tensor.shape.rank, dtype, padding, convert)
    return sent


def _nothing(feature, info):
    """What is sent for a value that is missing."""
    if feature.takes_numbers:
        return np.nan
    of_behavior = info.sequence is not None and feature is id_feature(info.sequence.of)
    return feature.padding_value if feature.axes or of_behavior else feature.values.missing_value


def _array(cells, rank: int, dtype, padding, convert) -> np.ndarray:
    """Nested lists as an array of `rank` axes; lists that end early are padded."""
    if rank == 1:
        return np.array([convert(cell) for cell in cells], dtype)
    cells = [cell if isinstance(cell, (list, tuple, np.ndarray)) else [] for cell in cells]
    inner = _array([value for cell in cells for value in cell], rank - 1, dtype, padding, convert)
    lengths = np.array([len(cell) for cell in cells], np.int64)
    width = lengths.max(initial=0)
    result = np.full((len(cells), width, *inner.shape[1:]), padding, dtype)
    result[np.arange(width) < lengths[:, None]] = inner
    return result


def _is_nothing(value) -> bool:
    return value is None or value is pd.NA or value == "" or value != value


def _text(value, nothing):
    if _is_nothing(value):
        return nothing
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value)


def _integer(value, nothing):
    try:
        return nothing if _is_nothing(value) else int(value)
    except ValueError:
        return nothing  # A text, which no client can send as a number.


def _number(value, nothing):
    return nothing if _is_nothing(value) else float(value)


_CONVERT = {"string": _text, "int64": _integer, "int32": _integer, "float32": _number}
