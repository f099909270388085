"""Opens tables: frames of any library, and files whose format their first bytes show."""

import io
import os
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from keras_din.checks import local_path
from keras_din.data.reading.arrow_types import to_basic_types
from keras_din.data.reading.columns import from_arrow
from keras_din.data.reading.csv_file import CsvFile
from keras_din.data.reading.file_format import (
    JSON_LINES,
    Unpacked,
    check_is_text,
    complete,
    format_of,
    open_bytes,
)
from keras_din.data.reading.iterated_tables import FrameSource, IteratedTables
from keras_din.data.reading.json_lines import JsonLines
from keras_din.data.reading.many_files import find_files, is_many_files, partition_of
from keras_din.data.reading.pieces import Piece, Pieces

_BATCH = 1 << 19  # The rows of a Parquet file that are read at once.

# Sources of a table in several pieces.
SEVERAL = (Pieces, IteratedTables)


class Table(NamedTuple):
    """The result of `read_table`, which also accepts it as a source."""

    frame: pd.DataFrame
    bad: pd.DataFrame


class ArrowSource(NamedTuple):
    """A table whose columns Arrow reads.

    `what` is its description for errors. `schema` has its columns with their types, which
    `to_basic_types` changes when they are read. `read(columns)` returns some of its columns as a
    `pyarrow.Table`, and `batches(columns)`, if it is given, yields the same in pieces. A file of
    lines, some of which may be bad, is given by `json_lines` too.
    """

    what: str
    schema: pa.Schema
    read: Callable
    batches: Callable | None = None
    json_lines: JsonLines | None = None

    @property
    def names(self) -> list:
        """The column names."""
        return self.schema.names

    def hint(self, lacking: list) -> str:
        """The likely reason why the table lacks columns, or an empty string."""
        return "" if self.json_lines is None else self.json_lines.hint(lacking)

    def read_lines(self, columns: list) -> tuple:
        """Returns `(table, lines, bad)`, same as `JsonLines.read`.

        `lines` is `None` if all rows are good and their lines are their numbers from 0.
        """
        if self.json_lines is not None:
            return self.json_lines.read(columns)
        return self.read(columns), None, []


def as_source(table, sep: str | None = None, header: bool | None = None, names=None):
    """Opens a table in a form that has column names and can be read several times.

    Args:
        table: A `DataFrame` of pandas, Polars or any library whose tables Arrow can import
            (`__arrow_c_stream__`, `__dataframe__`), or the path of a file: CSV, JSON lines (see
            `JsonLines`), Parquet, Arrow IPC (Feather) or ORC, compressed or not. The first bytes of
            the file decide its format. A compressed CSV file is unpacked once, into a temporary
            file (`TMPDIR`) of the unpacked size, which is removed when the result is no longer
            used. A compressed file of another format is unpacked in memory. Or several files of one
            format: a list of paths, a pattern or a folder, see `find_files`. Compressed CSV files
            among them are unpacked one after another. Or an iterable of paths, or of such tables,
            which are one table; an iterator can be read once. A result of this function is returned
            unchanged.
        sep: The separator of a CSV file, such as `";"` or `"::"`. By default a tab if its name
            contains `.tsv`, else a comma.
        header: Whether a CSV file has a header line. By default it has one unless `names` is
            given.
        names: Names of the columns of a CSV file, in their order.

    Returns:
        A pandas `DataFrame`, a `Table`, an `ArrowSource`, a `CsvFile`, `Pieces` or
        `IteratedTables`.

    Raises:
        ValueError: If it is something else (the error names its type or the format of the file),
            or an option of CSV files is given for another table.
    """
    source = table
    if is_many_files(table):
        source = _source_of_files(table)
    elif isinstance(table, (str, os.PathLike)):
        source = _source_of_file(table)
    elif _is_iterable(table):
        source = _source_of_iterable(table)
    elif not isinstance(table, (pd.DataFrame, Table, ArrowSource, CsvFile, *SEVERAL)):
        source = _source_of_object("the table", table)
    if sep is None and header is None and names is None:
        return source
    if not is_csv(source):
        raise ValueError(
            "`sep`, `header` and `names` must not be given unless the table is a CSV file. "
            f"Received: {_describe(table)}."
        )
    if isinstance(source, Pieces):
        return source.map_sources(lambda file: _with_options(file, sep, header, names))
    return _with_options(source, sep, header, names)


def is_csv(source) -> bool:
    """Whether a source is one CSV file, or several."""
    return isinstance(source, CsvFile) or (isinstance(source, SEVERAL) and source.is_csv)


def has_lines(source) -> bool:
    """Whether a source is one file of JSON lines, or several."""
    if isinstance(source, Pieces):
        return source.is_json
    return isinstance(source, ArrowSource) and source.json_lines is not None


def read_lines(source, columns: list) -> tuple:
    """Reads columns of an `ArrowSource`, or of several tables that are not CSV files.

    Returns:
        `(table, lines)`: the good rows and their lines, see `ArrowSource.read_lines`; for several
        files the positions through all.
    """
    if isinstance(source, ArrowSource):
        return source.read_lines(columns)[:2]
    read = source.read_rows(columns, {}, only_utf8=False)
    return pa.table(read.columns), read.lines


def as_sources(tables, sep: str | None = None):
    """Opens several tables, and dicts of tables, with `as_source`. `None` stays `None`."""

    def open_one(table):
        if table is None or isinstance(table, dict):
            return table and {name: open_one(each) for name, each in table.items()}
        source = as_source(table)
        return as_source(source, sep) if is_csv(source) else source

    return tuple(map(open_one, tables))


def _with_options(source: CsvFile, sep, header, names) -> CsvFile:
    sep = {"tab": "\t", "\\t": "\t", None: source.sep}.get(sep, sep)
    if sep is not None and (not isinstance(sep, str) or not sep or {*sep} & {*'"\r\n'}):
        raise ValueError(
            "`sep` must be text without quotes and line breaks, such as ';' or '::'. "
            f"Received: sep={sep!r}. Read a file with another separator with "
            "`pandas.read_csv(..., sep=..., engine='python')` and pass the DataFrame."
        )
    if names is not None:
        names = [names] if isinstance(names, str) else list(names)
        if not names or not all(isinstance(name, str) for name in names):
            raise ValueError(f"`names` must hold names of columns. Received: names={names!r}.")
    header = names is None if header is None else header
    if not header and names is None:
        raise ValueError(
            "`names` must name the columns of a file without a header. Received: header=False."
        )
    return source._replace(sep=sep, names=names, header=bool(header))


def to_frame(table) -> pd.DataFrame:
    """Reads all columns of a table into a pandas `DataFrame`.

    Args:
        table: Same as in `as_source`, except CSV files: use `read_table` for these.

    Raises:
        ValueError: If it is a CSV file, or a line of JSON is bad, see `JsonLines.read`.
    """
    source = as_source(table)
    if isinstance(source, ArrowSource) or (isinstance(source, SEVERAL) and not source.is_csv):
        columns = source.read(source.names)
        check_lines(source, source.names)
        return pd.DataFrame({name: from_arrow(columns[name]) for name in source.names})
    if not isinstance(source, pd.DataFrame):
        raise ValueError(
            "A table must be a DataFrame, or a Parquet, Arrow, ORC or JSON lines file. "
            f"Received: {_describe(table)}."
        )
    return source


def check_lines(source, columns: list) -> None:
    """Raises a `ValueError` if a line of JSON is bad.

    Args:
        source: The result of `as_source`. Only JSON lines are read.
        columns: Names of the columns that are read.
    """
    if not has_lines(source):
        return
    for one in [source] if isinstance(source, ArrowSource) else [p.source for p in source.pieces]:
        _, _, bad = one.read_lines([name for name in columns if name in one.names])
        if bad:
            line, reason = bad[0]
            raise ValueError(
                "Every line must be a JSON object, and each field a list in all lines or in none. "
                f"Received: line {line} of {one.what}: {reason}."
            )


def _is_iterable(table) -> bool:
    """Whether this yields tables or paths, instead of being a table of some library."""
    if isinstance(table, pa.RecordBatchReader):
        return True
    if isinstance(table, (Table, ArrowSource, CsvFile, str, bytes, dict, np.ndarray, io.IOBase)):
        return False
    of_libraries = ("__arrow_c_stream__", "__arrow_c_array__", "__dataframe__", *_EXPORT_METHODS)
    return hasattr(type(table), "__iter__") and not any(hasattr(table, n) for n in of_libraries)


def _source_of_iterable(table):
    """Opens the tables, or the files, that an iterable yields."""
    iterator = iter(table)
    try:
        first = next(iterator)
    except StopIteration:
        if isinstance(table, pa.RecordBatchReader):
            return _source_of_object("the table", table.schema.empty_table())
        raise ValueError(
            "An iterable of tables must yield at least one. "
            f"Received: {_describe(table)} without any."
        ) from None
    if isinstance(first, (str, os.PathLike)):
        return _source_of_files([first, *iterator])
    is_one = isinstance(table, pa.RecordBatchReader)
    what = _describe(table)
    return IteratedTables(what, table, _source_of_piece, (first, iterator), is_one)


def _source_of_piece(what: str, table):
    """Opens a table that an iterable yields."""
    if isinstance(table, pd.DataFrame):
        return FrameSource(what, table)
    return _source_of_object(what, table)


def _source_of_object(what: str, table) -> ArrowSource:
    if hasattr(table, "__arrow_c_stream__") or hasattr(table, "__arrow_c_array__"):
        try:
            table = pa.table(table)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise ValueError(
                "A table must be a DataFrame or the path of a file. "
                f"Received: {_describe(table)}: {error}."
            ) from error
    elif hasattr(table, "__dataframe__"):
        from pyarrow.interchange import from_dataframe

        table = from_dataframe(table)
    else:
        ways = [f"`.{way}()`" for way in _EXPORT_METHODS if callable(getattr(table, way, None))]
        way = f" Pass the result of its {' or '.join(ways)}." if ways else ""
        raise ValueError(
            "A table must be a DataFrame (of pandas, Polars or any library whose tables Arrow "
            "can import) or the path of a CSV, JSON lines, Parquet, Arrow or ORC file. "
            f"Received: {_describe(table)}{'' if what == 'the table' else f', {what}'}.{way}"
        )
    return ArrowSource(what, table.schema, lambda names: to_basic_types(table.select(names)))


_EXPORT_METHODS = (
    "collect",
    "compute",
    "toArrow",
    "to_arrow",
    "arrow",
    "toPandas",
    "to_pandas",
    "to_frame",
)


def _describe(table) -> str:
    """The path of a table, or its type with the module: several libraries have a `DataFrame`."""
    if isinstance(table, (str, os.PathLike)):
        return os.fspath(table)
    return f"{type(table).__module__}.{type(table).__qualname__}"


def _source_of_file(path) -> ArrowSource | CsvFile:
    path = os.fspath(local_path("source", path))
    found, is_compressed = format_of(path)
    if found is None:
        check_is_text(path)
        return CsvFile(path, unpacked=Unpacked(path) if is_compressed else None)
    return _arrow_source(path, found, is_compressed)


def _source_of_files(source) -> Pieces:
    """Opens files, which must have one format."""
    paths = find_files(source)
    formats = {}
    for path in paths:
        formats[path] = format_of(path)
        if formats[path][0] is None:
            check_is_text(path)
    one, (found, _) = next(iter(formats.items()))
    for other, (kind, _) in formats.items():
        if kind != found:
            raise ValueError(
                "All files of a table must have one format. "
                f"Received: {one}, which is {found or 'CSV'}, and {other}, which is "
                f"{kind or 'CSV'}."
            )
    what = os.fspath(source) if isinstance(source, (str, os.PathLike)) else f"{one}, ..."
    if found is None:
        return Pieces(what, [Piece(CsvFile(p), partition_of(p)) for p in paths], unpacked)
    return Pieces(what, [Piece(_arrow_source(p, *formats[p]), partition_of(p)) for p in paths])


def unpacked(file: CsvFile) -> CsvFile:
    """A CSV file with its content unpacked, if it is compressed."""
    _, is_compressed = format_of(file.path)
    return file._replace(unpacked=Unpacked(file.path)) if is_compressed else file


def _arrow_source(path: str, found: str, is_compressed: bool) -> ArrowSource:
    if found == JSON_LINES:
        json_lines = JsonLines(path)
        return ArrowSource(
            path,
            json_lines.schema,
            lambda columns: json_lines.read(columns)[0],
            json_lines=json_lines,
        )
    schema, read = _READERS[found]

    def of_file(function, *columns):
        with complete(path):
            if not is_compressed:
                return function(path, *columns)
            with open_bytes(path) as stream:
                return function(pa.BufferReader(stream.read()), *columns)

    read_columns = lambda columns: to_basic_types(of_file(read, columns))  # noqa: E731
    if found == "Parquet" and not is_compressed:
        return ArrowSource(path, of_file(schema), read_columns, partial(_parquet_batches, path))
    return ArrowSource(path, of_file(schema), read_columns)


def _parquet_batches(path: str, columns):
    with complete(path), pa.parquet.ParquetFile(path) as file:
        rows = 0
        for batch in file.iter_batches(_BATCH, columns=columns):
            rows += len(batch)
            yield to_basic_types(pa.Table.from_batches([batch]).select(columns))
        if not rows:
            yield to_basic_types(file.read(columns))


def _parquet(file, columns):
    with pa.parquet.ParquetFile(file) as opened:
        return opened.read(columns)


def _open_ipc_file(file):
    return pa.ipc.open_file(pa.memory_map(file) if isinstance(file, str) else file)


def _open_ipc_stream(file):
    return pa.ipc.open_stream(pa.OSFile(file) if isinstance(file, str) else file)


def _open_orc(file):
    import pyarrow.orc

    return pyarrow.orc.ORCFile(file)


# Format -> how to read the schema of a file, and some of its columns.
_READERS = {
    "Parquet": (pa.parquet.read_schema, _parquet),
    "Arrow": (
        lambda file: _open_ipc_file(file).schema,
        lambda file, columns: _open_ipc_file(file).read_all().select(columns),
    ),
    "Arrow stream": (
        lambda file: _open_ipc_stream(file).schema,
        lambda file, columns: _open_ipc_stream(file).read_all().select(columns),
    ),
    "ORC": (
        lambda file: _open_orc(file).schema,
        lambda file, columns: _open_orc(file).read(columns).select(columns),
    ),
}
