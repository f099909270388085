"""Tables from anywhere: frames of any library, and files whose first bytes tell their format."""

import os
from collections.abc import Callable
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from keras_din.checks import local_path
from keras_din.data.reading.columns import from_arrow
from keras_din.data.reading.csv_file import CsvFile
from keras_din.data.reading.file_format import Unpacked, check_is_text, format_of, open_bytes


class Table(NamedTuple):
    """A table as `read_table` gives it, which takes it again."""

    frame: pd.DataFrame
    bad: pd.DataFrame


class ArrowSource(NamedTuple):
    """A table whose columns Arrow reads.

    `what` is it, for errors; `names` are those of its columns; `read(columns)` gives some of them
    as a `pyarrow.Table`.
    """

    what: str
    names: list
    read: Callable


def as_source(table, sep: str | None = None, header: bool | None = None, names=None):
    """A table in a form that tells its columns' names and is read as often as wanted.

    Args:
        table: A `DataFrame` of pandas, Polars or any library whose tables Arrow takes
            (`__arrow_c_stream__`, `__dataframe__`), or the path of a file: CSV, Parquet, Arrow
            IPC (Feather) or ORC, compressed or not, which its first bytes tell. A compressed CSV
            file is unpacked once, into a temporary file (`TMPDIR`) of the size of what it holds,
            which is removed when the result is no longer used; a compressed file of another
            format is unpacked in memory. What this function gave is given back.
        sep: The separator of a CSV file. By default a tab where its name has `.tsv`, else a
            comma.
        header: Whether a CSV file has a header line. By default it has one unless `names` is
            given.
        names: Names of the columns of a CSV file, in their order.

    Returns:
        A pandas `DataFrame`, a `Table`, an `ArrowSource` or a `CsvFile`.

    Raises:
        ValueError: When it is something else, with its type or the format of the file; or when
            an option of CSV files is given for another table.
    """
    source = table
    if not isinstance(table, (pd.DataFrame, Table, ArrowSource, CsvFile)):
        source = _of_file(table) if isinstance(table, (str, os.PathLike)) else _of_object(table)
    if sep is None and header is None and names is None:
        return source
    if not isinstance(source, CsvFile):
        raise ValueError(
            "`sep`, `header` and `names` must be without, unless the table is a CSV file. "
            f"Received: {_kind(table)}."
        )
    return _with_options(source, sep, header, names)


def other_tables(tables, sep: str | None = None):
    """Tables beside a log, and dicts of such, as `as_source` gives them; `None` stays."""

    def opened(table):
        if table is None or isinstance(table, dict):
            return table and {name: opened(each) for name, each in table.items()}
        source = as_source(table)
        return as_source(source, sep) if isinstance(source, CsvFile) else source

    return tuple(map(opened, tables))


def _with_options(source: CsvFile, sep, header, names) -> CsvFile:
    sep = {"tab": "\t", "\\t": "\t", None: source.sep}.get(sep, sep)
    if sep is not None and (not isinstance(sep, str) or len(sep) != 1 or sep in '"\r\n'):
        raise ValueError(
            f"`sep` must be one character. Received: sep={sep!r}. A file with another separator "
            "can be read by `pandas.read_csv(..., sep=..., engine='python')` and given as a "
            "DataFrame."
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
    """All columns of a table in memory, as a pandas `DataFrame`.

    Args:
        table: Same as in `as_source`, but no CSV file: of those `read_table` reads columns by name.
    """
    source = as_source(table)
    if isinstance(source, ArrowSource):
        columns = source.read(source.names)
        return pd.DataFrame({name: from_arrow(columns[name]) for name in source.names})
    if not isinstance(source, pd.DataFrame):
        raise ValueError(
            "A table must be a DataFrame, or a Parquet, Arrow or ORC file. "
            f"Received: {_kind(table)}."
        )
    return source


def _of_object(table) -> ArrowSource:
    if hasattr(table, "__arrow_c_stream__") or hasattr(table, "__arrow_c_array__"):
        try:
            table = pa.table(table)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise ValueError(
                "A table must be a DataFrame or the path of a file. "
                f"Received: {_kind(table)}: {error}."
            ) from error
    elif hasattr(table, "__dataframe__"):
        from pyarrow.interchange import from_dataframe

        table = from_dataframe(table)
    else:
        ways = [f"`.{way}()`" for way in _WAYS if callable(getattr(table, way, None))]
        way = f" Give what its {' or '.join(ways)} returns." if ways else ""
        raise ValueError(
            "A table must be a DataFrame (of pandas, Polars or any library whose tables Arrow "
            "takes) or the path of a CSV, Parquet, Arrow or ORC file. "
            f"Received: {_kind(table)}.{way}"
        )
    return ArrowSource(
        "the table", table.column_names, lambda names: _to_common_types(table.select(names))
    )


_WAYS = ("collect", "compute", "toArrow", "to_arrow", "arrow", "toPandas", "to_pandas", "to_frame")


def _kind(table) -> str:
    """What a table is, with its module: `DataFrame` alone would not tell."""
    if isinstance(table, (str, os.PathLike)):
        return os.fspath(table)
    return f"{type(table).__module__}.{type(table).__qualname__}"


def _of_file(path) -> ArrowSource | CsvFile:
    path = os.fspath(local_path("source", path))
    found, is_compressed = format_of(path)
    if found is None:
        check_is_text(path)
        return CsvFile(path, unpacked=Unpacked(path) if is_compressed else None)
    if is_compressed:
        with open_bytes(path) as stream:
            file = pa.BufferReader(stream.read())
    else:
        file = path
    names, read = _OPENERS[found](file)
    return ArrowSource(path, names, lambda names: _to_common_types(read(names)))


def _parquet(file):
    return pa.parquet.read_schema(file).names, lambda names: _read_parquet(file, names)


def _read_parquet(file, names):
    with pa.parquet.ParquetFile(file) as opened:
        return opened.read(names)


def _ipc_file(file):
    table = pa.ipc.open_file(pa.memory_map(file) if isinstance(file, str) else file).read_all()
    return table.column_names, table.select


def _ipc_stream(file):
    with pa.ipc.open_stream(pa.OSFile(file) if isinstance(file, str) else file) as opened:
        table = opened.read_all()
    return table.column_names, table.select


def _orc(file):
    import pyarrow.orc

    opened = pyarrow.orc.ORCFile(file)
    return opened.schema.names, lambda names: opened.read(names).select(names)


_OPENERS = {"Parquet": _parquet, "Arrow": _ipc_file, "Arrow stream": _ipc_stream, "ORC": _orc}


def _to_common_types(table: pa.Table) -> pa.Table:
    """Columns without the newest types of Arrow, which few functions take."""
    for i, field in enumerate(table.schema):
        if (kind := _common_type(field.type)) != field.type:
            table = table.set_column(i, field.name, _cast(table.column(i), kind))
    return table


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = pa.chunked_array(
            [chunk.dictionary.cast(kind).take(chunk.indices) for chunk in column.chunks], kind
        )
    if pa.types.is_run_end_encoded(column.type):
        column = pc.run_end_decode(column)
    if "list_view" in str(column.type):
        # Arrow casts such lists wrongly beside a missing one (pyarrow 26).
        return pa.chunked_array([pa.array(column.to_pylist(), kind)])
    return column.cast(kind)


def _common_type(kind: pa.DataType) -> pa.DataType:
    views = {"string_view": pa.large_string(), "binary_view": pa.large_binary()}
    if str(kind) in views:
        return views[str(kind)]
    if pa.types.is_run_end_encoded(kind) or pa.types.is_dictionary(kind):
        return _common_type(kind.value_type)
    if str(kind).startswith(("list", "large_list", "fixed_size_list")):
        value = _common_type(kind.value_type)
        is_plain = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        return kind if is_plain and value == kind.value_type else pa.large_list(value)
    return kind
