"""Tables of bad rows, each with its line and the reason why it is kept aside."""

import dataclasses

import numpy as np
import pandas as pd

from keras_din.features.names import unused_name

ENCODING_REMEDY = (
    "If the file is in another encoding, such as Latin-1, convert it (`iconv -f latin1 -t utf-8 "
    'FILE > NEW`), or pass the DataFrame that `pandas.read_csv(..., encoding="latin-1")` returns.'
)


@dataclasses.dataclass(frozen=True)
class Reason:
    """Why a row is kept aside. Its text is that of `kind`, unless `text` is given.

    Attributes:
        kind: The reason as reports count it, such as `"wrong number of fields"`.
        text: The reason with the details of this row, such as `"2 fields, not 3: a,b"`.
        remedy: A sentence that tells the user what to do.
    """

    kind: str
    text: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        return self.text or self.kind


def not_utf8(name: str) -> Reason:
    """The reason of a row whose column `name` is not UTF-8."""
    return Reason(f"{name!r} is not UTF-8", remedy=ENCODING_REMEDY)


def bad_lines(bad: list) -> pd.DataFrame:
    """Converts a list of `(line, Reason)` to a frame with the columns `line` and `reason`."""
    return pd.DataFrame(
        {
            "line": np.array([line for line, _ in bad], np.int64),
            "reason": np.array([reason for _, reason in bad], object),
        }
    )


def to_bad_rows(rows: pd.DataFrame, reasons) -> pd.DataFrame:
    """Bad rows in their original form, with the columns `line` and `reason` in front.

    Own columns with these names are renamed to `line_` and `reason_`, or `line__` if the rows have
    a column `line_`. `reasons` is one `Reason`, or an array of them `(rows,)`.
    """
    names: list[str] = list(rows.columns)
    renamed = {
        name: unused_name(name, {*names, "line", "reason"})
        for name in ("line", "reason")
        if name in names
    }
    own = rows.astype(object).rename(columns=renamed)
    own.insert(0, "line", rows.index.to_numpy(np.int64))
    own.insert(1, "reason", reasons)
    return own


def concat_bad_rows(bad: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Concatenates bad rows in the order of their lines."""
    parts = [part for part in (bad, other) if len(part)] or [other]
    return pd.concat(parts, ignore_index=True).sort_values("line", kind="stable", ignore_index=True)
