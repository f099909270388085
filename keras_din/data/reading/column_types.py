"""Detects the type of each column of a table and the reason for it."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from keras_din.data.reading.arrow_types import is_bytes, is_text
from keras_din.data.reading.columns import (
    duration_remedy,
    from_arrow,
    is_missing,
    to_plain_series,
    whole_as_integers,
)
from keras_din.data.reading.file_lines import describe_place
from keras_din.data.reading.text_types import (
    NULLS,
    NULLS_IN_TEXT,
    TextType,
    convert,
    count_values,
    is_missing_token,
    type_of_text,
)

_IDS = "whole numbers may be ids or amounts; they count as ids"
_DATES = ("datetime64", "datetime", "date", "time", "timedelta64", "timedelta", "period")
_CONTAINERS = (list, tuple, dict, set, np.ndarray)


def from_csv(column: pa.ChunkedArray, declared: str | None, rows=None):
    """Converts a column of a CSV file to its detected type.

    Args:
        column: The fields as written in the file, as text or UTF-8 bytes; or dates.
        declared: The declared type: `"numeric"` or `"categorical"` for features, `"text"` for a
            column that stays text, `"number"` for times and labels (a later step reports the
            words in them), or `None`.
        rows: If `column` has each value once, how often each occurs, an array of Arrow.

    Returns:
        `(values, facts)`: a `Series`, and a dict for the report: `type`, `reason`, `example`, and
        `missing`, how often each token for a missing value occurs. In text only an empty field
        and `\\N` are missing. In numbers, words such as `NA` and infinity are missing too. If only
        the user can decide, the dict also has `refused`, a token that may be a number, or
        `unclear`, for whole numbers as floats with gaps.
    """
    if not is_text(column.type):
        if not is_bytes(column.type):
            return from_arrow(column), _facts("dates", str(column.type))
        column = column.cast(pa.string())
    if declared == "text":
        column, nothing = _nullify(column, [""], rows)
        return from_arrow(column), _facts("categorical", "text", None, nothing)
    found = _type_without(NULLS, column, rows, declared in ("numeric", "number"))
    if declared == "categorical" and found.kind == "nothing":  # Only words such as NA.
        found = _type_without(NULLS_IN_TEXT, column, rows)
    stays_text = found.kind == "text" and declared in (None, "categorical")
    column, nothing = _nullify(column, NULLS_IN_TEXT if stays_text else NULLS, rows)
    if declared == "number" and found.missing:
        return from_arrow(column), _facts("text", "text", None, nothing)
    if declared == "number":  # A later step reports wrong times and labels.
        found = found._replace(refused=None)
    if declared == "categorical" and found.kind == "numbers":
        kind = "integers" if found.whole else "text"
        counts = found.missing or {}
        tokens = {token: n for token, n in counts.items() if is_missing_token(token)}
        found = found._replace(kind=kind, missing=tokens, refused=None, whole=False)
    return _typed(column, found, nothing, rows)


def _type_without(words: list, column, rows, as_numbers: bool = False) -> TextType:
    """The type of a column without the fields that are one of `words`."""
    kept = pc.invert(pc.is_in(column, pa.array(words, column.type)))
    return type_of_text(
        column.filter(kept), as_numbers, None if rows is None else rows.filter(kept)
    )


def _nullify(column, words: list, rows):
    """Replaces the fields that are one of `words` by null, and counts each of these words."""
    nulls = pc.is_in(column, pa.array(words, column.type))
    nothing = count_values(column.filter(nulls), None if rows is None else rows.filter(nulls))
    return (pc.if_else(nulls, pa.scalar(None, column.type), column) if nothing else column), nothing


def from_series(values: pd.Series, declared: str | None, rows=None):
    """Converts a column of a `DataFrame` or a Parquet file to its type. See `from_csv`.

    Text with whole numbers stays text, because the source has typed it. Text with decimal numbers
    becomes numbers, because pandas keeps a column as text if one of its numbers is a `-`. `rows` is
    how often each value occurs, an array of Arrow, if `values` has each text once.
    """
    values = to_plain_series(values)
    kinds = {"b": "boolean", "i": "integer", "u": "integer", "f": "floating", "m": "timedelta"}
    kind = kinds.get(values.dtype.kind) or pd.api.types.infer_dtype(values, skipna=True)
    if kind == "decimal":
        values = from_arrow(pa.chunked_array([pa.array(values, from_pandas=True)]))
        return from_series(values.set_axis(values.index), declared)
    example = _first(values)
    if isinstance(example, _CONTAINERS) or (kind == "mixed" and _has_containers(values)):
        return values, _facts("bag", "lists")
    nothing = _count_missing(values, rows)
    if kind in ("boolean", "integer"):
        reason = _IDS if kind == "integer" else "true or false"
        return values, _facts("categorical", reason, example, nothing)
    if kind in ("floating", "mixed-integer-float"):
        return values, _float_facts(values, nothing)
    text = _to_arrow_text(values, kind) if declared in (None, "numeric") else None
    if text is not None:
        return _from_text(values, text, declared == "numeric", nothing, rows)
    if isinstance(example, str):
        return values, _facts("categorical", "text", example, nothing)
    if kind in _DATES:
        return values, _facts("dates", kind, None, nothing)
    return values, _facts("other", str(values.dtype), None, nothing)


def _count_missing(values: pd.Series, rows) -> dict:
    """Returns how many rows have no value, for `missing` of the facts; empty if all have one."""
    nulls = is_missing(values)
    missing = nulls.sum() if rows is None else pc.sum(rows.filter(pa.array(nulls))).as_py()
    return {"null": int(missing)} if missing else {}


def _from_text(values: pd.Series, text: pa.ChunkedArray, as_numbers: bool, nothing: dict, rows):
    """Converts a column of text to numbers, if all of its `text` is numbers; see `from_series`."""
    empty = pc.equal(text, "")
    if pc.any(empty).as_py():
        text = pc.if_else(empty, pa.scalar(None, text.type), text)
    known = None if rows is None else rows.filter(pc.is_valid(text))
    found = type_of_text(pc.drop_null(text), as_numbers, known)
    if found.kind != "numbers" and not as_numbers:
        tokens = ", ".join(map(repr, found.missing or ()))
        reason = f"text, all of it whole numbers except {tokens}" if tokens else "text"
        reason = found.reason if found.looks_like_numbers else reason
        return values, _facts("categorical", reason, found.example, nothing)
    series, facts = _typed(text, found, nothing, rows)
    return series.set_axis(values.index).rename(values.name), facts


def _typed(column, found: TextType, nothing: dict, rows):
    kind = {"numbers": "numeric", "nothing": "nothing"}.get(found.kind, "categorical")
    reason = _IDS if found.kind == "integers" else found.reason
    if found.refused is None:
        nothing = nothing | (found.missing or {})
    values = from_arrow(convert(column, found))
    if found.kind == "numbers" and found.refused is None:
        infinite = pa.array(_is_infinite(values))
        counts = None if rows is None else rows.filter(infinite)
        nothing = nothing | count_values(column.filter(infinite), counts)
    facts = _facts(kind, reason, found.example, nothing)
    if found.refused is not None:
        facts["refused"] = found.refused
    if found.whole and nothing:
        facts["unclear"] = True
    return values, facts


def _is_infinite(values: pd.Series) -> np.ndarray:
    return np.isinf(values.to_numpy(np.float64, na_value=np.nan))


def _float_facts(values: pd.Series, nothing: dict) -> dict:
    infinite = _is_infinite(pd.to_numeric(values))
    example = _first(values[~infinite])
    for word, count in pd.Series(values[infinite]).map(float).value_counts().items():
        nothing = nothing | {str(word): count}
    facts = _facts("numeric", "floats", example, nothing)
    if nothing and whole_as_integers(pd.to_numeric(values)).dtype == "Int64":
        facts["unclear"] = True
    return facts


def _facts(kind: str, reason: str, example=None, nothing=None) -> dict:
    return {"type": kind, "reason": reason, "example": example, "missing": nothing or {}}


def _first(values: pd.Series):
    """The first value that is not missing; numbers and text as types that JSON supports."""
    where = np.flatnonzero(values.notna().to_numpy(bool))[:1]
    value = values.iloc[where[0]] if len(where) else None
    return value.item() if isinstance(value, np.generic) else value


def _has_containers(values: pd.Series) -> bool:
    return any(isinstance(value, _CONTAINERS) for value in values)


def _to_arrow_text(values: pd.Series, kind: str):
    """A column of text, or of text and numbers, as Arrow text; `None` for any other column."""
    if kind in ("mixed", "mixed-integer"):
        plain = values[values.notna()]
        if not all(isinstance(value, (str, int, float, np.number)) for value in plain):
            return None
        values = pd.Series(
            [None if pd.isna(value) else str(value) for value in values], dtype=object
        )
    elif kind != "string":
        return None
    if isinstance(values.dtype, pd.StringDtype):
        text = pa.array(values.array, from_pandas=True)
        return text if isinstance(text, pa.ChunkedArray) else pa.chunked_array([text])
    try:
        return pa.chunked_array([pa.array(values, pa.large_string(), from_pandas=True)])
    except (UnicodeEncodeError, pa.ArrowInvalid, pa.ArrowTypeError):
        return None


def kinds_of(names, found: dict, declared: dict) -> dict:
    """Returns the kind of each feature: the declared kind, else the detected one.

    Args:
        names: Names of the features.
        found: Name -> facts, with the `line`, and the `file`, of the `refused` or `unclear` value,
            and the `column` if its name differs from the feature's.
        declared: Name -> `"numeric"` or `"categorical"`, for declared features.

    Returns:
        Name -> `"numeric"` or `"categorical"`, for the features that have one of these kinds.

    Raises:
        ValueError: If no kind is declared and a column of numbers contains a token that may be a
            number, a column holds whole numbers as floats with gaps, or a column holds dates.
    """
    kinds, unclear = {}, []
    for name in names:
        facts, kind = found.get(name, {}), declared.get(name)
        if "refused" in facts and kind != "categorical":
            among = f", among numbers such as {facts['example']}"
            if facts["example"] == facts["refused"]:
                among = ", which is not a number"
            raise ValueError(
                f"Column {facts.get('column', name)!r} must hold numbers written as in 1234.5, and "
                f"words without a digit where a value is missing. Received: {facts['refused']!r} "
                f"in {_place(facts)}{among}. If the column "
                f"does not hold amounts, name {name!r} in `categorical` (`--categorical`)."
            )
        if facts.get("type") == "dates" and kind is None:
            column = facts.get("column", name)
            remedy = duration_remedy(column, facts["reason"]) or (
                " Convert them to text or numbers, such as the hour of the day. Dates of a CSV "
                f"file stay text if {name!r} is named in `categorical` (`--categorical`)."
            )
            raise ValueError(
                f"Column {column!r} must hold strings, integers, booleans or floats to be a "
                f"feature. Received: dates ({facts['reason']}).{remedy}"
            )
        if "unclear" in facts and kind is None:
            unclear.append(name)
        kind = kind or facts.get("type")
        if kind in ("numeric", "categorical"):
            kinds[name] = kind
    if unclear:
        facts = found[unclear[0]]
        raise ValueError(
            "A column whose floats are all whole numbers, with missing values, must be named in "
            "`numeric` (`--numeric`) if they are amounts, or in `categorical` (`--categorical`) if "
            "they are ids: pandas converts integers with missing values to floats. "
            f"Received: {unclear}, "
            f"with {facts['example']} in {facts.get('column', unclear[0])!r} and no value in "
            f"{_place(facts)}."
        )
    return kinds


def _place(facts: dict) -> str:
    if "line" not in facts:  # Of a log that was read in pieces.
        return "the log"
    return describe_place(facts["line"], facts.get("file"))
