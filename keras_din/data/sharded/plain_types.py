"""Casts columns of Arrow to types that any database keeps unchanged, and back."""

import pyarrow as pa


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Returns the type in which a database stores a type without a loss.

    Times are integers, since databases have other units and zones. Decimals are text.
    """
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.large_list(plain_type(kind.value_type))
    if pa.types.is_temporal(kind):
        return pa.int32() if kind.bit_width == 32 else pa.int64()
    if pa.types.is_decimal(kind):
        return pa.string()
    if pa.types.is_float16(kind):
        return pa.float32()
    return pa.int8() if pa.types.is_null(kind) else kind


def to_plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Casts a column to its `plain_type`."""
    return column.cast(plain_type(column.type))


def from_plain(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Casts the result of `to_plain` to the type that it had before."""
    if pa.types.is_null(kind):
        return pa.chunked_array([pa.nulls(len(column))])
    return column.cast(plain_type(kind)).cast(kind)
