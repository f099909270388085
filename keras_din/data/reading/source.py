"""Opens tables: frames of any library, and files whose format their first bytes show."""

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
    """The result of `read_table`, which also accepts it as a source."""

    frame: pd.DataFrame
    bad: pd.DataFrame


class ArrowSource(NamedTuple):
    """A table whose columns Arrow reads.

    `what` is its description for errors. `names` are its column names. `read(columns)` returns
    some of its columns as a `pyarrow.Table`.
    """

    what: str
    names: list
    read: Callable


def as_source(table, sep: str | None = None, header: bool | None = None, names=None):
    """Opens a table in a form that has column names and can be read several times.

    Args:
        table: A `DataFrame` of pandas, Polars or any library whose tables Arrow can import
            (`__arrow_c_stream__`, `__dataframe__`), or the path of a file: CSV, Parquet, Arrow
            IPC (Feather) or ORC, compressed or not. The first bytes of the file decide its
            format. A compressed CSV file is unpacked once, into a temporary file (`TMPDIR`) of
            the unpacked size, which is removed when the result is no longer used. A compressed
            file of another format is unpacked in memory. A result of this function is returned
            unchanged.
        sep: The separator of a CSV file. By default a tab if its name contains `.tsv`, else a
            comma.
        header: Whether a CSV file has a header line. By default it has one unless `names` is
            given.
        names: Names of the columns of a CSV file, in their order.

    Returns:
        A pandas `DataFrame`, a `Table`, an `ArrowSource` or a `CsvFile`.

    Raises:
        ValueError: If it is something else (the error names its type or the format of the file),
            or an option of CSV files is given for another table.
    """
    source = table
    if not isinstance(table, (pd.DataFrame, Table, ArrowSource, CsvFile)):
        source = (
            _source_of_file(table)
            if isinstance(table, (str, os.PathLike))
            else _source_of_object(table)
        )
    if sep is None and header is None and names is None:
        return source
    if not isinstance(source, CsvFile):
        raise ValueError(
            "`sep`, `header` and `names` must not be given unless the table is a CSV file. "
            f"Received: {_describe(table)}."
        )
    return _with_options(source, sep, header, names)


def as_sources(tables, sep: str | None = None):
    """Opens several tables, and dicts of tables, with `as_source`. `None` stays `None`."""

    def open_one(table):
        if table is None or isinstance(table, dict):
            return table and {name: open_one(each) for name, each in table.items()}
        source = as_source(table)
        return as_source(source, sep) if isinstance(source, CsvFile) else source

    return tuple(map(open_one, tables))


def _with_options(source: CsvFile, sep, header, names) -> CsvFile:
    sep = {"tab": "\t", "\\t": "\t", None: source.sep}.get(sep, sep)
    if sep is not None and (not isinstance(sep, str) or len(sep) != 1 or sep in '"\r\n'):
        raise ValueError(
            f"`sep` must be one character. Received: sep={sep!r}. Read a file with another "
            "separator with `pandas.read_csv(..., sep=..., engine='python')` and pass the "
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
    """Reads all columns of a table into a pandas `DataFrame`.

    Args:
        table: Same as in `as_source`, except CSV files: use `read_table` for these.
    """
    source = as_source(table)
    if isinstance(source, ArrowSource):
        columns = source.read(source.names)
        return pd.DataFrame({name: from_arrow(columns[name]) for name in source.names})
    if not isinstance(source, pd.DataFrame):
        raise ValueError(
            "A table must be a DataFrame, or a Parquet, Arrow or ORC file. "
            f"Received: {_describe(table)}."
        )
    return source


def _source_of_object(table) -> ArrowSource:
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
            "can import) or the path of a CSV, Parquet, Arrow or ORC file. "
            f"Received: {_describe(table)}.{way}"
        )
    return ArrowSource(
        "the table", table.column_names, lambda names: _to_common_types(table.select(names))
    )


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
    """Casts columns of Arrow's newest types, which few functions support, to basic types."""
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
        # Arrow casts these lists wrongly if one of them is missing (pyarrow 26).
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
