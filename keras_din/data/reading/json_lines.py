"""Reads columns of files of JSON lines, and reports each bad line with its number and reason."""

import itertools
import json
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json

from keras_din.data.reading.bad_rows import ENCODING_REMEDY, Reason
from keras_din.data.reading.columns import check_columns, whole_to_text
from keras_din.data.reading.file_format import open_bytes
from keras_din.data.reading.lines import LONGEST, read_lines

_HEAD = 10_000  # The lines whose fields are the columns of the file.
_BLOCK = 1 << 24  # Bytes; Arrow reads no longer lines.
_NO_OBJECT = "no JSON object"
_NOTHING, _SINGLE, _LIST, _OBJECTS = range(4)


class JsonLines:
    """A file with one JSON object per line, compressed or not.

    Its columns are the fields of its first 10,000 objects. A field that an object lacks is missing
    there. An object within an object is not a column, but each of its fields is: `{"a": {"b c":
    1}}` has the column `a_b_c`. Text stays text, also if it is a date or a number. A field with
    whole numbers and text is text.

    Args:
        path: Path of the file.
    """

    def __init__(self, path: str):
        self.path = path
        head = itertools.islice(_parse_lines(path), _HEAD)
        values: dict[tuple, list] = {}
        for _, record in head:
            if isinstance(record, dict):
                for path_of, value in _fields(record):
                    values.setdefault(path_of, []).append(value)
        self._paths: dict[str, tuple] = {}
        self._others: dict[str, tuple] = {}  # The second path of a name.
        for path_of in values:
            name = path_of[0] if len(path_of) == 1 else re.sub(r"\W", "_", "_".join(path_of))
            if self._paths.setdefault(name, path_of) != path_of:
                self._others[name] = path_of
        self.schema = pa.schema(
            [(name, _type(values[path_of])) for name, path_of in self._paths.items()]
        )

    def hint(self, lacking: list) -> str:
        """The likely reason why the file lacks columns, or an empty string."""
        for name in lacking:
            if fields := [n for n, path in self._paths.items() if path[0] == name]:
                return f" {name!r} holds objects, whose fields are the columns {fields}."
        bad = next((each for each in _parse_lines(self.path) if isinstance(each[1], Reason)), None)
        return "" if bad is None else f" Line {bad[0]} has {bad[1]}."

    @property
    def names(self) -> list:
        """The column names."""
        return self.schema.names

    def read(self, columns: list):
        """Reads columns.

        Arrow reads files in which each line that is not blank is one object, with fields of the
        types of the first lines. Otherwise Python's `json` reads the file line by line.

        Args:
            columns: Names of the columns.

        Returns:
            `(table, lines, bad)`: the good rows as an Arrow table; the line of each, int64
            `(rows,)`; a list of `(line, Reason)` of the bad lines. A line is bad if it is no
            object, or if a column has a list and most lines have a single value, or the opposite.

        Raises:
            ValueError: If a column is missing, or most of its values are lists of objects.
        """
        columns = list(columns)
        check_columns(self.path, self.names, columns, self.hint)
        for name in self._others.keys() & {*columns}:
            raise ValueError(
                f"The column {name!r} must be one field. Received: the fields "
                f"{list(self._paths[name])} and {list(self._others[name])} of {self.path}."
            )
        table = self._read_by_arrow(columns)
        if table is not None:
            lines = np.fromiter((number for number, _ in read_lines(self.path)), np.int64)
            # With equal counts, object n is on the nth line that is not blank.
            if len(lines) == len(table):
                return table, lines, []
        return self._read_by_line(columns)

    def _read_by_arrow(self, columns: list) -> pa.Table | None:
        """The columns, or `None` if Arrow cannot read them with the types of the first lines."""
        kinds = [self.schema.field(name).type for name in columns]
        paths = [self._paths[name] for name in columns]
        if any(len(path) > 1 for path in paths) or not all(map(_is_plain, kinds)):
            return None
        types = pa.schema(list(zip(columns, kinds, strict=True)))
        options = pa.json.ParseOptions(explicit_schema=types, unexpected_field_behavior="ignore")
        try:
            with open_bytes(self.path) as stream:
                blocks = pa.json.ReadOptions(block_size=_BLOCK)
                table = pa.json.read_json(stream, read_options=blocks, parse_options=options)
            table.validate(full=True)  # Text that is not UTF-8 is an error.
        except (pa.ArrowException, OSError, ValueError):
            return None
        return table.select(columns)

    def _read_by_line(self, columns: list):
        values: dict[str, list] = {name: [] for name in columns}
        lines, bad = [], []
        for number, record in _parse_lines(self.path):
            if isinstance(record, Reason):
                bad.append((number, record))
                continue
            lines.append(number)
            for name, of_column in values.items():
                of_column.append(_value(record, self._paths[name]))
        wrong: dict[int, Reason] = {}
        for name, of_column in values.items():
            for row in self._rows_of_other_kind(name, of_column, lines):
                wrong.setdefault(row, _other_kind(name, of_column[row]))
        if wrong:
            bad = sorted([*bad, *((lines[row], why) for row, why in wrong.items())], key=_line_of)
            lines = _without(lines, wrong)
            values = {name: _without(of_column, wrong) for name, of_column in values.items()}
        table = {name: _to_arrow(values.pop(name)) for name in columns}
        return pa.table(table), np.array(lines, np.int64), bad

    def _rows_of_other_kind(self, name: str, values: list, lines: list) -> list:
        """Returns the rows with a list in a column of single values, or the opposite.

        Raises:
            ValueError: If most of the lists contain objects, and there are no more other values.
        """
        kinds = list(map(_kind, values))
        counts = {kind: kinds.count(kind) for kind in (_SINGLE, _LIST, _OBJECTS)}
        most = max(counts, key=lambda kind: counts[kind])  # Of equal counts the first.
        if most == _OBJECTS:
            row = kinds.index(_OBJECTS)
            raise ValueError(
                f"Column {name!r} must hold text, numbers, true and false, or lists of these. "
                f"Received: {_shortened(values[row])} in line {lines[row]} of {self.path}."
            )
        return [row for row, kind in enumerate(kinds) if kind not in (most, _NOTHING)]


def _line_of(bad: tuple) -> int:
    return bad[0]


def _without(values: list, rows) -> list:
    return [value for row, value in enumerate(values) if row not in rows]


def _kind(value) -> int:
    """Returns the kind of a value: nothing, a single value, a list, or a list with objects."""
    if not isinstance(value, list):
        return _NOTHING if value is None else _SINGLE
    return _OBJECTS if _has_object(value) else _LIST


def _other_kind(name: str, value) -> Reason:
    """The reason of a line whose value has another kind than those of most lines."""
    what = "is a list" if isinstance(value, list) else "is no list"
    kind = f"{name!r} {what}, unlike in most lines"
    return Reason(kind, f"{kind}: {_shortened(value)}")


def _shortened(value) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."


def _to_arrow(values: list) -> pa.ChunkedArray:
    """Converts values that are all single, or all lists. Whole numbers among text are text."""
    try:
        return pa.chunked_array([pa.array(values)])
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        if not any(isinstance(value, list) for value in values):
            return pa.chunked_array([pa.array(map(_to_text, values), pa.large_string())])
        lists = [each and [_to_text(value) for value in each] for each in values]
        return pa.chunked_array([pa.array(lists, pa.list_(pa.string()))])


def _parse_lines(path: str):
    """Yields `(number, object)`, or `(number, Reason)` for a line that is not an object."""
    for number, line in read_lines(path):
        if line is None:
            yield number, Reason(f"longer than {LONGEST:,} bytes")
            continue
        try:
            text = line.decode()
            record = json.loads(text)
            if "\\u" in text:  # A half of a pair of surrogates is not a character.
                json.dumps(record, ensure_ascii=False).encode()
        except UnicodeError:
            yield number, Reason("not UTF-8", remedy=ENCODING_REMEDY)
        except (ValueError, RecursionError):
            yield number, _no_object(text)
        else:
            yield number, record if isinstance(record, dict) else _no_object(text)


def _no_object(text: str) -> Reason:
    text = text.strip()
    text = text if len(text) <= 80 else text[:77] + "..."
    return Reason(_NO_OBJECT, f"{_NO_OBJECT}: {text}")


def _fields(record: dict, start: tuple = ()):
    """Yields the path of each column and its value. A path has the fields that lead to it."""
    for key, value in record.items():
        if isinstance(value, dict):
            yield from _fields(value, (*start, key))
        else:
            yield (*start, key), value


def _value(record: Any, path: tuple) -> Any:
    """The value of a column, `None` where an object lacks it or has an object instead."""
    for key in path:
        record = record.get(key) if isinstance(record, dict) else None
    return None if isinstance(record, dict) else record


def _type(values: list) -> pa.DataType:
    """The type of the values, text if they have none in common."""
    try:
        return pa.array(values).type
    except (pa.ArrowException, OverflowError):
        return pa.large_string()


def _is_plain(kind: pa.DataType) -> bool:
    """Whether Arrow reads the type from JSON."""
    if pa.types.is_list(kind):
        return _is_plain(kind.value_type)
    return kind in (pa.string(), pa.int64(), pa.float64(), pa.bool_())


def _has_object(value) -> bool:
    """Whether a list contains an object at any depth."""
    return isinstance(value, list) and any(isinstance(v, dict) or _has_object(v) for v in value)


def _to_text(value) -> str | None:
    value = whole_to_text(value)
    return value if value is None or isinstance(value, str) else json.dumps(value)
