"""Checks the rows of a table and keeps bad rows aside, each with a reason."""

import numpy as np
import pandas as pd

from keras_din.count_text import count_text
from keras_din.data.reading.bad_rows import Reason, concat_bad_rows, to_bad_rows
from keras_din.data.reading.bad_share import check_bad_share
from keras_din.data.reading.columns import is_missing, numbers, to_plain_series
from keras_din.data.reading.file_lines import describe_place, get_file_lines, with_files
from keras_din.data.reading.labels import (
    NO_RULES,
    LabelRules,
    format_label_map,
    format_value,
    label_map_of,
    label_remedy,
    to_labels,
    to_numbers,
)
from keras_din.data.reading.times import (
    ORDER,
    PLACEHOLDER,
    find_placeholders,
    placeholder_remedy,
    time_remedy,
    to_microseconds,
)


class NoGoodRowsError(ValueError):
    """All rows of a table are kept aside.

    Args:
        message: The text.
        bad: The rows, see `RowChecks.finish`.
        counts: Their counts, see `RowChecks.finish`.
    """

    def __init__(self, message: str, bad: pd.DataFrame, counts: dict):
        super().__init__(message)
        self.bad, self.counts = bad, counts


class RowChecks:
    """Collects what is wrong with the rows of a table. The first reason of each row counts.

    Args:
        frame: The frame that `read_table` returns.
        label_map: Values of labels -> 0 or 1, see `to_labels`, or column -> such a dict.
        rules: Which labels are numbers, and which may be missing.

    `good` is bool `(rows,)`, `True` where no check has failed. `remedies` is reason -> a sentence
    that tells the user what to do.
    """

    def __init__(
        self, frame: pd.DataFrame, label_map: dict | None = None, rules: LabelRules = NO_RULES
    ):
        self.remedies: dict[str, str] = {}
        self._frame, self._label_map, self._rules = frame, label_map, rules
        self._missing: dict[str, np.ndarray] = {}
        self._reasons: list[str | None] = [None]
        self._values: dict[str, str] = {}
        self._filled: dict[str, tuple] = {}
        self._code = np.zeros(len(frame), np.int16)

    @property
    def good(self) -> np.ndarray:
        return self._code == 0

    def keep_aside(self, wrong: np.ndarray, reason: str, column: str | None = None) -> None:
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
        """Keeps rows aside that lack a required value or a label.

        Of optional labels, a row must have at least one.

        Returns:
            Name of the label -> the result of `to_labels`, for `check_labels`.
        """
        found, numbers = {}, self._rules.numbers
        for name in labels:
            label_map = label_map_of(name, self._label_map, name in numbers)
            if name in numbers:
                found[name] = to_numbers(name, self._frame[name], label_map, numbers[name])
            else:
                found[name] = to_labels(name, self._frame[name], label_map)
            if None in label_map:
                missing = is_missing(to_plain_series(self._frame[name]))
                self._filled[name] = missing, int(label_map[None])
        optional = self._rules.optional
        if optional:
            self._missing = {name: found[name][1] for name in optional}
            nothing = np.logical_and.reduce(list(self._missing.values()))
            self.keep_aside(nothing, f"all labels are missing: {', '.join(map(repr, optional))}")
        for name in dict.fromkeys(required):
            if name in optional:
                continue
            nothing = found[name][1] if name in found else is_missing(self._frame[name])
            self.keep_aside(nothing, f"{name!r} is missing")
            if name in found:
                remedy = format_label_map({None: 0}, name if len(found) > 1 else None)
                self.remedies[f"{name!r} is missing"] = f"If they mean 0, pass {remedy}."
        return found

    def check_labels(self, found: dict) -> None:
        """Keeps rows aside with a label that is neither 0 nor 1, or not a valid number.

        So are rows whose label is 1, though it is given another label that is 0.
        """
        for name, (_, _, wrong) in found.items():
            reason = f"{name!r} is neither 0 nor 1"
            if name in self._rules.numbers:
                reason = f"{name!r} is not a finite number"
                reason += " from 0" * self._rules.numbers[name]
            self.keep_aside(wrong, reason, name)
            if wrong.any() and name not in self._rules.numbers:
                values = self._frame[name].dropna()
                self.remedies[reason] = label_remedy(values, name if len(found) > 1 else None)
        for name, given in self._rules.given.items():
            reason = f"{name!r} is 1 where {given!r} is 0"
            self.keep_aside((found[name][0] == 1) & (found[given][0] == 0), reason)
            self.remedies[reason] = (
                f"Set {given!r} to 1 in these rows, or leave out `given` of the label, which means "
                f"that {name!r} is never 1 without {given!r}."
            )

    def check_weights(self, name: str) -> np.ndarray:
        """Keeps rows aside without a valid weight; returns the weights, float32 `(rows,)`."""
        with np.errstate(over="ignore"):
            weights = numbers(name, self._frame[name]).astype(np.float32)
        self.keep_aside(is_missing(self._frame[name]), f"{name!r} is missing")
        wrong = ~((weights >= 0) & (weights < np.inf))
        self.keep_aside(wrong, f"{name!r} is not a weight, a finite number from 0", name)
        return weights

    def check_times(
        self,
        name: str,
        time_unit: str,
        time_format: str | None,
        placeholders: bool | None = None,
        are_numbers: bool | None = None,
    ) -> tuple:
        """Keeps rows aside whose time is invalid or a placeholder; see `to_microseconds`.

        `placeholders` is `expected` of `find_placeholders`, and `are_numbers` that of
        `to_microseconds`.

        Returns:
            `(times, unit)`: int64 `(rows,)`, and the detected unit.
        """
        values = self._frame[name]
        times, known, unit = to_microseconds(name, values, time_unit, time_format, are_numbers)
        what = "a whole number, as an order is" if unit == ORDER else "a time"
        self.keep_aside(~known, f"{name!r} is not {what}", name)
        wrong = values[~known & ~is_missing(values)]
        if unit != ORDER and len(wrong):
            self.remedies[f"{name!r} is not {what}"] = time_remedy(wrong, time_format)
        early = find_placeholders(
            name, times, known, unit, time_unit, time_format, self._frame, placeholders
        )
        self.keep_aside(early, f"{name!r} {PLACEHOLDER}", name)
        self.remedies[f"{name!r} {PLACEHOLDER}"] = placeholder_remedy(unit)
        return times, unit

    @property
    def labels_filled(self) -> dict:
        """Column -> the number of good `rows` whose missing label `label_map` replaced by `label`.

        Columns without such rows are absent.
        """
        counts = {}
        for name, (missing, label) in self._filled.items():
            rows = int((missing & self.good).sum())
            if rows:
                counts[name] = {"rows": rows, "label": label}
        return counts

    @property
    def labels_missing(self) -> dict:
        """Column -> the number of good rows whose label is missing. Columns without are absent."""
        counts = {name: int((rows & self.good).sum()) for name, rows in self._missing.items()}
        return {name: rows for name, rows in counts.items() if rows}

    def finish(self, bad: pd.DataFrame, strict: bool = False):
        """Returns all bad rows, and their number for each reason.

        Args:
            bad: The bad rows that `read_table` returned.
            strict: Whether a bad row is an error.

        Returns:
            `(bad, counts)`. The reasons in `bad` are text. `counts` is kind of the reason ->
            `rows`, the `first_line`, its `first_file` if there are several, and its `first_value`.
            With several files, `bad` has the line in the file and the column `file`.
        """
        code = self._code
        found = np.array([reason and Reason(reason) for reason in self._reasons], object)
        own = to_bad_rows(self._frame[code > 0], found[code[code > 0]])
        files = get_file_lines(self._frame)
        bad = with_files(concat_bad_rows(bad, own), files)
        places = bad[["line"] if files is None else ["line", "file"]]
        values = self._values
        for reason in set(bad["reason"]):
            if reason.remedy:
                self.remedies[reason.kind] = reason.remedy
        if strict and len(bad):
            reason = bad["reason"].iloc[0]
            value = f": {values[reason.kind]}" if reason.kind in values else ""
            remedy = f" {reason.remedy}" if reason.remedy else ""
            raise ValueError(
                f"Every row must be good when `strict`. Received in "
                f"{describe_place(*places.iloc[0])}: {reason}{value}.{remedy}"
            )
        kinds = np.array([reason.kind for reason in bad["reason"]], object)
        bad["reason"] = np.array([str(reason) for reason in bad["reason"]], object)
        counts: dict[str, dict] = {}
        for kind in sorted(set(kinds)):
            first = int((kinds == kind).argmax())
            counts[kind] = {"rows": int((kinds == kind).sum())}
            counts[kind] |= {f"first_{word}": places[word].tolist()[first] for word in places}
            if kind in values:
                counts[kind]["first_value"] = values[kind]
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
            remedies = [self.remedies[reason] for reason in counts if reason in self.remedies]
            hint = " ".join(dict.fromkeys(remedies))
            raise NoGoodRowsError(
                f"{what[0].upper()}{what[1:]} must hold at least one good row. Received: "
                f"{count_text(len(bad), 'row')}, kept aside for these reasons: {counts}."
                f"{' ' * bool(hint)}{hint}",
                bad,
                counts,
            )
        checked = {reason: part for reason, part in counts.items() if reason not in unlimited}
        total = len(bad) + int(self.good.sum())
        check_bad_share(what, checked, total, max_bad, self.remedies)
