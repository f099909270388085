"""Reads columns of CSV files, and reports each bad line with its number and reason."""

import csv
import io
import os
import re
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from keras_din.count_text import count_text
from keras_din.data.reading.bad_rows import ENCODING_REMEDY, Reason
from keras_din.data.reading.columns import check_columns
from keras_din.data.reading.file_format import Unpacked, open_bytes
from keras_din.data.reading.replaced_bytes import replace_bytes
from keras_din.data.reading.text_types import NULLS

UNIT = "\x1f"  # The unit separator of ASCII, which occurs in no text.
_DATE = "^[0-9]{4}-[0-9]{2}-[0-9]{2}"


class CsvFile(NamedTuple):
    """A text file of separated values.

    `sep` is the separator, `None` to infer it from the file name. If it has several characters,
    `UNIT` stands for it in what `open` returns. `names` are the column names,
    `None` to read them from the first line. `header` is whether the file has such a line.
    `unpacked` is the content of a compressed file, which is unpacked once and read several times.
    """

    path: str
    sep: str | None = None
    names: list | None = None
    header: bool = True
    unpacked: Unpacked | None = None

    def open(self):
        """Opens the content of the file as a binary stream."""
        if self.unpacked is None:
            stream = open_bytes(self.path)
        else:
            stream = pa.input_stream(self.unpacked.path, compression=None)
        if self.sep is None or len(self.sep) == 1:
            return stream
        return replace_bytes(stream, self.sep.encode(), UNIT.encode())

    @property
    def delimiter(self) -> str:
        """The separator in what `open` returns."""
        if self.sep is not None:
            return self.sep if len(self.sep) == 1 else UNIT
        return "\t" if ".tsv" in os.path.basename(self.path).lower() else ","


def csv_names(file: CsvFile) -> list:
    """Returns the column names of a CSV file.

    Raises:
        ValueError: If there is neither a header nor names, the number of names differs from the
            number of columns, or the header is one name that contains another separator.
    """
    with _open_text(file) as text:
        try:
            rows = csv.reader(text, delimiter=file.delimiter)
            first = next((fields for fields in rows if not _is_blank(fields)), None)
        except csv.Error:
            first = None
    if first is None:
        raise ValueError(
            f"A CSV file must begin with a header line. Received: none in {file.path}."
        )
    if len(first) == 1 and (file.names is None or len(file.names) > 1):
        _check_separator(file, first[0])
    if file.names is not None and len(file.names) != len(first):
        raise ValueError(
            f"`names` must name each column of {file.path}, whose first line has {len(first)} "
            f"fields: {first[:8]}. Received: {len(file.names)} names, {list(file.names)[:8]}."
        )
    return first if file.names is None else list(file.names)


def _check_separator(file: CsvFile, line: str) -> None:
    """Raises a `ValueError` if a line of one field contains another separator."""
    if others := [sep for sep in ("::", ";", "\t", "|", ",") if sep in line]:
        sep = max(others, key=line.count)
        raise ValueError(
            f"The columns of a CSV file must be separated by {file.sep or file.delimiter!r}. "
            f"Received: one column in {file.path}, {_truncate(line)!r}. Pass its separator, "
            f"`sep={sep!r}` (on the command line `--sep {_shell_quote(sep)}`)."
        )


def csv_hint(file: CsvFile, lacking) -> str:
    """A sentence for the error about missing columns in a CSV file, or an empty string."""
    with _open_text(file) as text:
        line = next((line for line in text if line.strip()), "")
    for sep in ";\t|":
        names = [name.strip('" \r\n') for name in line.split(sep)]
        if sep != file.delimiter and any(name in names for name in lacking):
            return (
                f" If its columns are separated by {sep!r}, pass `sep={sep!r}` (on the "
                f"command line `--sep {_shell_quote(sep)}`)."
            )
    names = csv_names(file)
    if any("\udc80" <= letter <= "\udcff" for name in names for letter in name):
        return f" Its first line is not UTF-8. {ENCODING_REMEDY}"
    if file.names is None and any(_is_number(name) for name in names):
        return (
            " If its first line is not a header, name its columns with `names=[...]` (on the "
            "command line `--names A,B,...`)."
        )
    blank = [name for name in lacking if name in map(str.strip, names)]
    return f" There are blanks before or after the names of {blank}." if blank else ""


def _shell_quote(sep: str) -> str:
    return "tab" if sep == "\t" else f"'{sep}'"


def _is_number(text: str) -> bool:
    try:
        return float(text) == float(text)
    except ValueError:
        return False


def read_csv(file: CsvFile, columns: list, text=()):
    """Reads columns of a CSV file.

    Arrow reads files in which each line that is not empty is one record with as many fields as
    the header. If a quoted field spans several lines or a line is bad, Python's `csv` splits the
    file first, which is slower but counts the lines.

    Arrow's `invalid_row_handler` and pandas' `on_bad_lines` cannot replace this step. Arrow counts
    records instead of lines, so its numbers are too low after a blank line or a quoted line break.
    pandas accepts lines with too few fields and returns no line number. With both, a stray quote
    also drops the good lines after it without a report.

    Args:
        file: The file.
        columns: Names of the required columns.
        text: Names of columns among them that stay text even if all their values are dates.

    Returns:
        `(table, lines, bad)`: the good rows as an Arrow table, whose columns are dates or the
        binary fields of the file; the line in which each row begins, int64 `(rows,)`; a list of
        `(line, Reason)` of the bad lines.

    Raises:
        ValueError: If there is no header or a column is missing.
    """
    names = csv_names(file)
    check_columns(file.path, names, columns, lambda lacking: csv_hint(file, lacking))
    try:
        table = _parse(file.open, columns, text, file)
    except (ValueError, KeyError):  # Arrow's errors are subclasses of these.
        return _read_records(file, names, columns, text)
    lines = _full_lines(file)
    # Each record begins on its own non-empty line. With equal counts, record n is on the nth one.
    if lines is None or len(lines) != file.header + table.num_rows:
        return _read_records(file, names, columns, text)
    return table, lines[int(file.header) :], []


def _full_lines(file: CsvFile):
    """Numbers of the lines that are not empty; `None` if a lone carriage return ends a line."""
    empty, number = [], 0
    with file.open() as stream, io.BufferedReader(stream, 1 << 20) as opened:
        for number, line in enumerate(opened, 1):
            if line in (b"\n", b"\r\n"):
                empty.append(number)
            elif b"\r" in line[:-2]:
                return None
    return np.delete(np.arange(1, number + 1), np.array(empty, np.int64) - 1)


def _read_records(file: CsvFile, names: list, columns: list, text):
    """Splits the file with Python's `csv`, then reads it with Arrow.

    A stray quote makes only its own line bad.
    """
    delimiter = file.delimiter
    with _open_text(file) as opened:
        source = _RewindableLines(opened.readlines())
    records = csv.reader(source, delimiter=delimiter, strict=True)
    lines, bad, width, in_header = [], [], len(names), file.header
    wanted = [names.index(name) for name in columns]
    clean = io.BytesIO()
    written = io.TextIOWrapper(clean, "utf-8", errors="surrogateescape", newline="")
    writer = csv.writer(written)
    writer.writerow(columns)
    while True:
        at = source.at
        try:
            fields = next(records)
        except StopIteration:
            break
        except csv.Error as error:
            source.at = at + 1
            fields = _split_line(source.lines[at], delimiter)
            if fields is None:
                line = _truncate(source.lines[at].replace(UNIT, file.sep or UNIT))
                kind = "not readable as CSV"
                bad.append((at + 1, Reason(kind, f"{kind}: {error}: {line}")))
                continue
        if _is_blank(fields):
            continue
        if in_header:
            in_header = False
        elif len(fields) != width:
            line = _truncate(source.lines[at])
            line = line if file.sep is None else line.replace(UNIT, file.sep)
            text = f"{count_text(len(fields), 'field')}, not {width}: {line}"
            bad.append((at + 1, Reason("wrong number of fields", text)))
            consumed = source.lines[at + 1 : source.at]
            if any(len(_split_line(each, delimiter) or ()) == width for each in consumed):
                source.at = at + 1  # The record of a stray quote included good lines.
        else:
            lines.append(at + 1)
            writer.writerow([fields[i] for i in wanted])
    written.detach()
    content = clean.getbuffer()
    reader = lambda: pa.BufferReader(content)  # noqa: E731
    table = _parse(reader, columns, text, CsvFile(""), newlines_in_values=True)
    return table, np.array(lines, np.int64), bad


class _RewindableLines:
    """An iterator over lines that can go back. `at` is the index of the next line."""

    def __init__(self, lines: list):
        self.lines, self.at = lines, 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.at == len(self.lines):
            raise StopIteration
        self.at += 1
        return self.lines[self.at - 1]


def _open_text(file: CsvFile):
    return io.TextIOWrapper(file.open(), "utf-8-sig", errors="surrogateescape", newline="")


def _is_blank(fields: list) -> bool:
    return not fields or (len(fields) == 1 and not fields[0].strip())


def _split_line(line: str, delimiter: str):
    """The fields of a line with misplaced but paired quotes, split in the same way as Arrow does.

    Returns `None` if the line cannot be split.
    """
    if line.count('"') % 2:
        return None
    try:
        return next(csv.reader([line], delimiter=delimiter))
    except csv.Error:
        return None


def _parse(source, columns: list, text, file: CsvFile, **options):
    """Reads with Arrow: columns of dates as dates, all other fields unchanged as binary."""

    def read(columns, **how):
        return pyarrow.csv.read_csv(
            source(),
            # With `names=None`, Arrow takes the names of the first line.
            read_options=pyarrow.csv.ReadOptions(
                column_names=file.names, skip_rows=int(file.names is not None and file.header)
            ),
            parse_options=pyarrow.csv.ParseOptions(delimiter=file.delimiter, **options),
            convert_options=pyarrow.csv.ConvertOptions(include_columns=columns, **how),
        )

    table = read(columns, column_types=dict.fromkeys(columns, pa.binary()), null_values=[])
    dates = [name for name in columns if name not in text and _may_be_dates(table[name])]
    if not dates:
        return table
    found = read(dates, null_values=NULLS, strings_can_be_null=True)
    for name in dates:
        if pa.types.is_temporal(found[name].type):
            table = table.set_column(columns.index(name), name, found[name])
    return table


def _may_be_dates(column: pa.ChunkedArray) -> bool:
    """Whether the first field that is not missing starts with a date."""
    nulls = pa.array([word.encode() for word in NULLS])
    for start in range(0, len(column), 1000):
        some = column.slice(start, 1000)
        some = some.filter(pc.invert(pc.is_in(some, nulls)))
        if len(some):
            return re.match(_DATE, some[0].as_py().decode("utf-8", "replace")) is not None
    return False


def _truncate(text: str) -> str:
    text = text.rstrip("\r\n").encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return text if len(text) <= 80 else text[:77] + "..."
