"""Rows that are kept aside: which, why, and when they are too many."""

import numpy as np
import pandas as pd

from keras_din.data.reading.bad_rows import NOT_UTF8, REMEDY_OF_ENCODING, check_aside
from keras_din.data.reading.columns import is_missing
from keras_din.data.reading.labels import plain_text, remedy, to_labels


class RowChecks:
    """What is wrong with the rows of a table; each is kept aside for the first reason found.

    Args:
        frame: As `read_table` gives it.
        label_map: Values of labels -> 0 or 1, see `to_labels`.

    `good` says of each row whether nothing was found, bool `(rows,)`; `remedies` is reason -> what
    to do, a sentence.
    """

    def __init__(self, frame: pd.DataFrame, label_map: dict | None = None):
        self.remedies = {}
        self._frame, self._label_map = frame, label_map
        self._reasons, self._values = [None], {}
        self._code = np.zeros(len(frame), np.int16)

    @property
    def good(self) -> np.ndarray:
        return self._code == 0

    def set_aside(self, wrong: np.ndarray, reason: str, column: str | None = None) -> None:
        """Rows that are `wrong`, bool `(rows,)`; the first value of `column` is shown."""
        wrong = wrong & self.good
        if wrong.any():
            self._code[wrong] = len(self._reasons)
            self._reasons.append(reason)
            if column is not None:
                self._values[reason] = plain_text(self._frame[column].iloc[int(wrong.argmax())])

    def check_values(self, required, labels=()) -> dict:
        """Sets aside rows without a value, also of a label; gives the labels.

        Returns:
            Name of the label -> what `to_labels` gives, for `check_labels`.
        """
        found = {name: to_labels(name, self._frame[name], self._label_map) for name in labels}
        for name in dict.fromkeys(required):
            nothing = found[name][1] if name in found else is_missing(self._frame[name])
            self.set_aside(nothing, f"{name!r} is missing")
            if name in found:
                self.remedies[f"{name!r} is missing"] = (
                    "If they mean 0, say so with `label_map={None: 0}` (on the command line "
                    "`--label-map =0`)."
                )
        return found

    def check_labels(self, found: dict) -> None:
        """Sets aside rows with a label that is neither 0 nor 1."""
        for name, (_, _, wrong) in found.items():
            reason = f"{name!r} is neither 0 nor 1"
            self.set_aside(wrong, reason, name)
            if wrong.any():
                self.remedies[reason] = remedy(self._frame[name].dropna())

    def finish(self, bad: pd.DataFrame, strict: bool = False):
        """All rows that are aside, and how many for which reason.

        Args:
            bad: Those that were aside before, as `read_table` gives them.
            strict: Whether a row that is aside is an error.

        Returns:
            `(bad, counts)`; `counts` is reason -> `rows`, the `first_line` and its `first_value`.
        """
        code = self._code
        own = aside_rows(self._frame[code > 0], np.array(self._reasons, object)[code[code > 0]])
        bad = join_aside(bad, own)
        values = self._values
        if strict and len(bad):
            line, reason = bad["line"].iloc[0], bad["reason"].iloc[0]
            value = f": {values[reason]}" if reason in values else ""
            hint = f" {REMEDY_OF_ENCODING}" if NOT_UTF8 in reason else ""
            raise ValueError(
                f"Every row must be good when `strict`. Received in line {line}: {reason}{value}."
                f"{hint}"
            )
        # Without what is of one line only.
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

    def check(self, what: str, bad, counts: dict, max_bad: float, asked_for=()) -> None:
        """Raises a `ValueError` where too many rows are aside, or no row is good.

        Args:
            what: What the rows are of, such as `"the log"`.
            bad: As `finish` gives it.
            counts: As `finish` gives it.
            max_bad: The largest share of rows that one reason may keep aside.
            asked_for: Reasons of any share.
        """
        if not self.good.any():
            hints = [self.remedies[reason] for reason in counts if reason in self.remedies]
            hints += [REMEDY_OF_ENCODING] * any(NOT_UTF8 in reason for reason in counts)
            hints = " ".join(hints)
            raise ValueError(
                f"{what[0].upper()}{what[1:]} must hold at least one good row. Received: "
                f"{len(bad)} rows, kept aside for these reasons: {counts}."
                f"{' ' * bool(hints)}{hints}"
            )
        checked = {reason: part for reason, part in counts.items() if reason not in asked_for}
        total = len(bad) + int(self.good.sum())
        check_aside(what, checked, total, max_bad, self.remedies)


def aside_rows(rows: pd.DataFrame, reasons) -> pd.DataFrame:
    """Rows that are bad, as they came, after their lines and reasons."""
    own = rows.astype(object).rename(columns={"line": "line_", "reason": "reason_"})
    own.insert(0, "line", rows.index.to_numpy(np.int64))
    own.insert(1, "reason", reasons)
    return own


def join_aside(bad: pd.DataFrame, more: pd.DataFrame) -> pd.DataFrame:
    """Rows aside and more of them, in the order of their lines."""
    parts = [part for part in (bad, more) if len(part)] or [more]
    return pd.concat(parts, ignore_index=True).sort_values("line", kind="stable", ignore_index=True)
