"""CSV files: the columns of good lines, and each bad line with its number and reason."""

import csv
import io
import os

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from keras_din.data.columns import check_columns

# What `pandas.read_csv` takes for a missing value, and what Hive and MySQL write for one.
_NULLS = ["", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"]
_NULLS += ["<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null", "\\N"]


def csv_names(path: str) -> list:
    """The names of the columns of a CSV file; a `ValueError` where there is no header."""
    with _text(path) as file:
        try:
            rows = csv.reader(file, delimiter=_delimiter(path))
            names = next((fields for fields in rows if not _blank(fields)), None)
        except csv.Error:
            names = None
    if names is None:
        raise ValueError(f"A CSV file must begin with a header line. Received: none in {path}.")
    return names


def read_csv(path: str, columns: list, text=(), numbers=()):
    """Reads columns of a CSV file.

    Arrow reads files in which each line that is not empty is a record of as many fields as the
    header. All others, where a quoted field spans lines or a line is bad, Python's `csv` takes
    apart first: slower, but it knows the lines.

    Args:
        path: Path of the file.
        columns: Names of the columns needed.
        text: Names of those among them that are text, also where all values are numbers.
        numbers: Names of those of which only the number counts, not how it is written.

    Returns:
        `(table, lines, bad)`: the good rows as an Arrow table; the line that each begins in,
        int64 `(rows,)`; a list of `(line, reason)` of the bad ones.

    Raises:
        ValueError: When there is no header, or a column is missing.
    """
    names = csv_names(path)
    delimiter = _delimiter(path)
    check_columns(path, names, columns)
    try:
        table = _parse(lambda: path, columns, delimiter, text, numbers)
    except (ValueError, KeyError):  # Arrow's errors are of these kinds too.
        return _read_records(path, columns, delimiter, text, numbers)
    lines = _full_lines(path)
    # Every record begins in another full line. If there are as many, record n is full line n.
    if lines is None or len(lines) != 1 + table.num_rows:
        return _read_records(path, columns, delimiter, text, numbers)
    return table, lines[1:], []


def _full_lines(path: str):
    """Numbers of the lines that are not empty; `None` where a lone carriage return ends one."""
    empty, number = [], 0
    with pa.input_stream(path) as stream, io.BufferedReader(stream, 1 << 20) as file:
        for number, line in enumerate(file, 1):
            if line in (b"\n", b"\r\n"):
                empty.append(number)
            elif b"\r" in line[:-2]:
                return None
    return np.delete(np.arange(1, number + 1), np.array(empty, np.int64) - 1)


def _read_records(path: str, columns: list, delimiter: str, text, numbers):
    """By Python's `csv`, then Arrow. A line with a stray quote costs only itself."""
    with _text(path) as file:
        source = _Lines(file.readlines())
    records = csv.reader(source, delimiter=delimiter, strict=True)
    lines, bad, wanted, width = [], [], None, 0
    clean = io.BytesIO()
    file = io.TextIOWrapper(clean, "utf-8", errors="surrogateescape", newline="")
    writer = csv.writer(file)
    while True:
        at = source.at
        try:
            fields = next(records)
        except StopIteration:
            break
        except csv.Error as error:
            source.at = at + 1
            fields = _alone(source.lines[at], delimiter)
            if fields is None:
                line = _short(source.lines[at])
                bad.append((at + 1, f"not readable as CSV: {error}: {line}"))
                continue
        if _blank(fields):
            continue
        if wanted is None:
            wanted, width = [fields.index(name) for name in columns], len(fields)
            writer.writerow(columns)
        elif len(fields) != width:
            line = _short(source.lines[at])
            bad.append((at + 1, f"{len(fields)} fields, not {width}: {line}"))
            taken = source.lines[at + 1 : source.at]
            if any(len(_alone(each, delimiter) or ()) == width for each in taken):
                source.at = at + 1  # A stray quote had taken good lines with it.
        else:
            lines.append(at + 1)
            writer.writerow([fields[i] for i in wanted])
    file.detach()
    content = clean.getbuffer()
    source = lambda: pa.BufferReader(content)  # noqa: E731
    table = _parse(source, columns, ",", text, numbers, newlines_in_values=True)
    return table, np.array(lines, np.int64), bad


class _Lines:
    """An iterator over lines that can go back; `at` is the index of the next."""

    def __init__(self, lines: list):
        self.lines, self.at = lines, 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.at == len(self.lines):
            raise StopIteration
        self.at += 1
        return self.lines[self.at - 1]


def _delimiter(path: str) -> str:
    return "\t" if ".tsv" in os.path.basename(path).lower() else ","


def _text(path: str):
    stream = pa.input_stream(path)
    return io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")


def _blank(fields: list) -> bool:
    return not fields or (len(fields) == 1 and not fields[0].strip())


def _alone(line: str, delimiter: str):
    """The fields of a line in which quotes stand strangely but in pairs, as Arrow reads them."""
    if line.count('"') % 2:
        return None
    try:
        return next(csv.reader([line], delimiter=delimiter))
    except csv.Error:
        return None


def _parse(source, columns: list, delimiter: str, text, numbers, **options):
    """By Arrow; what would not be as it was written stays text, and so do times of day."""

    def read(columns, types):
        return pyarrow.csv.read_csv(
            source(),
            parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, **options),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=columns,
                null_values=_NULLS,
                strings_can_be_null=True,
                column_types=types,
            ),
        )

    types = {}
    while True:
        table = read(columns, types)
        found = {name for name in columns if _should_be_text(table[name], name in numbers)}
        found |= {name for name in text if not _is_text(table[name])}
        if not found:
            break
        types |= dict.fromkeys(found, pa.string())
    integers = [
        name for name in columns if pa.types.is_integer(table[name].type) and name not in numbers
    ]
    written = read(integers, dict.fromkeys(integers, pa.string())) if integers else None
    for name in integers:
        if not _is_as_usual(written[name], table[name]):
            table = table.set_column(columns.index(name), name, written[name])
    return table


def _is_text(column: pa.ChunkedArray) -> bool:
    kinds = (pa.types.is_string, pa.types.is_binary, pa.types.is_null)
    return any(kind(column.type) for kind in kinds)


def _should_be_text(column: pa.ChunkedArray, only_the_number_counts: bool) -> bool:
    """Whether values are times of day, or whole numbers that are too large for their type."""
    if not pa.types.is_floating(column.type):
        return pa.types.is_time(column.type)
    values = column.to_numpy()
    values = values[np.isfinite(values)]
    exact = 2**63 if only_the_number_counts else 2**53
    return bool(np.abs(values).max(initial=0) >= exact and (values == np.floor(values)).all())


def _is_as_usual(written: pa.ChunkedArray, integers: pa.ChunkedArray) -> bool:
    """Whether integers are written as integers are: `7`, not `007`. Blanks do not count."""
    usual = pc.equal(pc.utf8_trim_whitespace(written), pc.cast(integers, pa.string()))
    return pc.all(usual).as_py() is not False


def _short(text: str) -> str:
    text = text.rstrip("\r\n").encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return text if len(text) <= 80 else text[:77] + "..."
