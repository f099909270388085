"""Types of Arrow: the basic ones, which all functions support, and one type for two columns."""

import pyarrow as pa
import pyarrow.compute as pc


def to_basic_types(table: pa.Table) -> pa.Table:
    """Casts columns of Arrow's newest types, which few functions support, to basic types."""
    for i, field in enumerate(table.schema):
        if (kind := basic_type(field.type)) != field.type:
            table = table.set_column(i, field.name, _cast(table.column(i), kind))
    return table


def basic_type(kind: pa.DataType) -> pa.DataType:
    """The basic type that `to_basic_types` casts a type to."""
    views = {"string_view": pa.large_string(), "binary_view": pa.large_binary()}
    if str(kind) in views:
        return views[str(kind)]
    if pa.types.is_run_end_encoded(kind) or pa.types.is_dictionary(kind):
        return basic_type(kind.value_type)
    if str(kind).startswith(("list", "large_list", "fixed_size_list")):
        value = basic_type(kind.value_type)
        is_plain = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        return kind if is_plain and value == kind.value_type else pa.large_list(value)
    return kind


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


def is_text(kind: pa.DataType) -> bool:
    """Whether a basic type is text."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def is_bytes(kind: pa.DataType) -> bool:
    """Whether a basic type is binary."""
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def widest_type(a: pa.DataType, b: pa.DataType) -> pa.DataType | None:
    """The basic type that holds the values of two basic types unchanged, or `None`.

    Integers and floats have none, and neither have floats of two widths: in the wider type, nothing
    shows which ids have lost their last digits.
    """
    if a == b or pa.types.is_null(b):
        return a
    if pa.types.is_null(a):
        return b
    if is_text(a) and is_text(b):
        return pa.large_string()
    if is_bytes(a) and is_bytes(b):
        return pa.large_binary()
    if pa.types.is_integer(a) and pa.types.is_integer(b):
        return _widest_integer(a, b)
    if pa.types.is_decimal(a) and pa.types.is_decimal(b):
        scale = max(a.scale, b.scale)
        digits = max(a.precision - a.scale, b.precision - b.scale) + scale
        return pa.decimal256(digits, scale) if digits <= 76 else None
    if _is_moment(a) and _is_moment(b):
        return _widest_moment(a, b)
    if _is_list(a) and _is_list(b):
        value = widest_type(a.value_type, b.value_type)
        return None if value is None else pa.large_list(value)
    return None


def _widest_integer(a, b) -> pa.DataType | None:
    unsigned = pa.types.is_unsigned_integer
    if unsigned(a) == unsigned(b):
        return max(a, b, key=lambda kind: kind.bit_width)
    return None if pa.uint64() in (a, b) else pa.int64()


def _is_moment(kind) -> bool:
    return pa.types.is_date(kind) or pa.types.is_timestamp(kind)


def _widest_moment(a, b) -> pa.DataType | None:
    """The finer unit, in UTC if both have a zone. A date is a time without a zone."""
    zones = {getattr(kind, "tz", None) for kind in (a, b)}
    if None in zones and len(zones) > 1:
        return None
    units = ("s", "ms", "us", "ns")
    unit = max((getattr(kind, "unit", "s") for kind in (a, b)), key=units.index)
    return pa.timestamp(unit, "UTC" if len(zones) > 1 else zones.pop())


def _is_list(kind) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind)
