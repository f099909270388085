"""The lines of a table that is read from several files, and the file of each."""

import numpy as np
import pandas as pd

from keras_din.features.names import unused_name

_KEY = "file_lines"


class FileLines:
    """Positions of rows through several files, in the order in which the files are read.

    The position of a row is its line in its file, after the lines of the files before it. The line
    is that of a CSV file, whose header is line 1, or else the row number from 0.

    Args:
        files: The files, in this order.
        rows: How many rows each has, good and bad.
        lines_before: How many lines the files before each have.
        first: The number of the first line of a file: 1 or 0.
    """

    def __init__(self, files: list, rows: list, lines_before: list, first: int):
        self._files = np.array(files, object)
        self._rows = rows
        self._lines_before = np.array(lines_before, np.int64)
        self._first = first

    @property
    def files(self) -> list:
        """The files."""
        return list(self._files)

    def numbers(self, positions) -> np.ndarray:
        """Returns the number of the file of each position, int64 `(rows,)`."""
        # A file without lines begins where the next one does, which is found.
        return np.searchsorted(self._lines_before + self._first, positions, side="right") - 1

    def find(self, positions) -> tuple:
        """Returns `(lines, files)` of positions, both `(rows,)`."""
        number = self.numbers(positions)
        return positions - self._lines_before[number], self._files[number]

    def place(self, position) -> dict:
        """The `line` and the `file` of a position."""
        lines, files = self.find(np.array([position]))
        return {"line": int(lines[0]), "file": str(files[0])}

    def report(self) -> list:
        """Of each file, its rows and the lines before it, as values that JSON supports."""
        return [
            {"file": file, "rows": rows, "lines_before": int(before)}
            for file, rows, before in zip(self._files, self._rows, self._lines_before, strict=True)
        ]

    def __deepcopy__(self, memo):
        return self  # pandas copies what a frame carries with each operation.


def set_file_lines(frame: pd.DataFrame, lines: FileLines | None) -> None:
    """Makes a frame, and all that pandas derives from it, carry the lines of its files."""
    if lines is not None:
        frame.attrs[_KEY] = lines


def get_file_lines(values) -> FileLines | None:
    """The lines of the files of a frame or column, or `None` if it is not of several files."""
    return values.attrs.get(_KEY)


def place(values, position) -> dict:
    """The `line` of a position in a frame or column, and its `file` if it is one of several."""
    lines = get_file_lines(values)
    return {"line": int(position)} if lines is None else lines.place(position)


def describe_place(line, file=None) -> str:
    """`line 7`, or `line 7 of b.csv`."""
    return f"line {line}" if file is None else f"line {line} of {file}"


def describe_row(values, row: int, word: str = "line") -> str:
    """The same for a row, by its number, of a frame or column; `word` is that for a single file."""
    position = values.index[row]
    if get_file_lines(values) is None:
        return f"{word} {position}"
    return describe_place(**place(values, position))


def with_files(bad: pd.DataFrame, lines: FileLines | None) -> pd.DataFrame:
    """Replaces the positions of bad rows by their lines, and adds the column `file` in front.

    An own column of that name is renamed to `file_`, or `file__` if there is a column `file_`.
    """
    if lines is None:
        return bad
    numbers, files = lines.find(bad["line"].to_numpy(np.int64))
    if "file" in bad:
        bad = bad.rename(columns={"file": unused_name("file", {*bad.columns})})
    bad = bad.assign(line=numbers)
    bad.insert(2, "file", files)
    bad.attrs = {}
    return bad
