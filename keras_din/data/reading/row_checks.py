"""Checks the rows of a table and keeps bad rows aside, each with a reason."""

import numpy as np
import pandas as pd

from keras_din.data.reading.bad_rows import ENCODING_REMEDY, NOT_UTF8, check_bad_share
from keras_din.data.reading.columns import is_missing
from keras_din.data.reading.labels import format_value, label_remedy, to_labels


class RowChecks:
    """Collects what is wrong with the rows of a table. The first reason of each row counts.

    Args:
        frame: The frame that `read_table` returns.
        label_map: Values of labels -> 0 or 1, see `to_labels`.

    `good` is bool `(rows,)`, `True` where no check has failed. `remedies` is reason -> a sentence
    that tells the user what to do.
    """

    def __init__(self, frame: pd.DataFrame, label_map: dict | None = None):
        self.remedies: dict[str, str] = {}
        self._frame, self._label_map = frame, label_map
        self._reasons: list[str | None] = [None]
        self._values: dict[str, str] = {}
        self._code = np.zeros(len(frame), np.int16)

    @property
    def good(self) -> np.ndarray:
        return self._code == 0

    def set_aside(self, wrong: np.ndarray, reason: str, column: str | None = None) -> None:
        """Keeps the rows aside where `wrong`, bool `(rows,)`, is `True`.

        Errors and reports show the first value of `column` among them.
        """
        wrong = wrong & self.good
        if wrong.any():
            self._code[wrong] = len(self._reasons)
            self._reasons.append(reason)
            if column is not None:
                self._values[reason] = format_value(self._frame[column].iloc[int(wrong.argmax())])

    def check_values(self, required, labels=()) -> dict:
        """Sets aside rows that lack a required value or a label.

        Returns:
            Name of the label -> the result of `to_labels`, for `check_labels`.
        """
        found = {name: to_labels(name, self._frame[name], self._label_map) for name in labels}
        for name in dict.fromkeys(required):
            nothing = found[name][1] if name in found else is_missing(self._frame[name])
            self.set_aside(nothing, f"{name!r} is missing")
            if name in found:
                self.remedies[f"{name!r} is missing"] = (
                    "If they mean 0, pass `label_map={None: 0}` (on the command line "
                    "`--label-map =0`)."
                )
        return found

    def check_labels(self, found: dict) -> None:
        """Sets aside rows with a label that is neither 0 nor 1."""
        for name, (_, _, wrong) in found.items():
            reason = f"{name!r} is neither 0 nor 1"
            self.set_aside(wrong, reason, name)
            if wrong.any():
                self.remedies[reason] = label_remedy(self._frame[name].dropna())

    def finish(self, bad: pd.DataFrame, strict: bool = False):
        """Returns all bad rows, and their number for each reason.

        Args:
            bad: The bad rows that `read_table` returned.
            strict: Whether a bad row is an error.

        Returns:
            `(bad, counts)`. `counts` is reason -> `rows`, the `first_line` and its `first_value`.
        """
        code = self._code
        own = to_bad_rows(self._frame[code > 0], np.array(self._reasons, object)[code[code > 0]])
        bad = concat_bad_rows(bad, own)
        values = self._values
        if strict and len(bad):
            line, reason = bad["line"].iloc[0], bad["reason"].iloc[0]
            value = f": {values[reason]}" if reason in values else ""
            hint = f" {ENCODING_REMEDY}" if NOT_UTF8 in reason else ""
            raise ValueError(
                f"Every row must be good when `strict`. Received in line {line}: {reason}{value}."
                f"{hint}"
            )
        # Remove the details of single lines, to group the reasons.
        kinds = bad["reason"].str.replace(
            r"(?s)^\d+ fields, .*", "wrong number of fields", regex=True
        )
        kinds = kinds.str.replace(r"(?s)^(not readable as \w+): .*", r"\1", regex=True)
        counts = {
            reason: {"rows": len(part), "first_line": int(part.iloc[0])}
            | ({"first_value": values[reason]} if reason in values else {})
            for reason, part in bad["line"].groupby(kinds)
        }
        return bad, counts

    def check(self, what: str, bad, counts: dict, max_bad: float, unlimited=()) -> None:
        """Raises a `ValueError` if too many rows are kept aside, or no row is good.

        Args:
            what: The table that the rows belong to, such as `"the log"`.
            bad: The bad rows that `finish` returns.
            counts: The counts that `finish` returns.
            max_bad: The largest share of rows that may be kept aside for one reason.
            unlimited: Reasons without a limit, because the user requested them.
        """
        if not self.good.any():
            hints = [self.remedies[reason] for reason in counts if reason in self.remedies]
            hints += [ENCODING_REMEDY] * any(NOT_UTF8 in reason for reason in counts)
            hint = " ".join(hints)
            raise ValueError(
                f"{what[0].upper()}{what[1:]} must hold at least one good row. Received: "
                f"{len(bad)} rows, kept aside for these reasons: {counts}."
                f"{' ' * bool(hint)}{hint}"
            )
        checked = {reason: part for reason, part in counts.items() if reason not in unlimited}
        total = len(bad) + int(self.good.sum())
        check_bad_share(what, checked, total, max_bad, self.remedies)


def to_bad_rows(rows: pd.DataFrame, reasons) -> pd.DataFrame:
    """Bad rows in their original form, with the columns `line` and `reason` in front."""
    own = rows.astype(object).rename(columns={"line": "line_", "reason": "reason_"})
    own.insert(0, "line", rows.index.to_numpy(np.int64))
    own.insert(1, "reason", reasons)
    return own


def concat_bad_rows(bad: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Concatenates bad rows in the order of their lines."""
    parts = [part for part in (bad, other) if len(part)] or [other]
    return pd.concat(parts, ignore_index=True).sort_values("line", kind="stable", ignore_index=True)
