"""The raw values of a table: type, size, padding value, missing value, JSON."""

import pytest

from keras_din.features import MISSING_INT64, HashBuckets, Indices, Table, Vocabulary


@pytest.mark.parametrize(
    "values, raw_dtype, size, padding, missing",
    [
        (Indices(5), "int32", 5, 0, 1),
        (HashBuckets(3), "string", 5, "", ""),
        (HashBuckets(3, "int64"), "int64", 5, 0, MISSING_INT64),
        (Vocabulary(["a", "unknown"]), "string", 4, "", "unknown?"),
        (Vocabulary([7, 8]), "int64", 4, 0, -1),
        # If 0 is in the vocabulary, padding is the first of -1, -2, ... that is not.
        (Vocabulary([0, -1, -3]), "int64", 5, -2, -4),
    ],
)
def test_raw_dtype_size_padding_value_and_missing_value(values, raw_dtype, size, padding, missing):
    assert (values.raw_dtype, values.size) == (raw_dtype, size)
    assert (values.padding_value, values.missing_value) == (padding, missing)
    assert Table.from_dict(Table("t", values=values).to_dict()) == Table("t", values=values)


def test_table_takes_the_short_form_or_values():
    assert Table("t", 5, dim=3) == Table("t", values=Indices(5), dim=3)
    assert Table("t", vocabulary=["a"]) == Table("t", values=Vocabulary(["a"]))
    assert repr(Table("t", hash_buckets=4)) == "Table('t', hash_buckets=4, dtype='string', dim=16)"
    with pytest.raises(ValueError, match=r"`values` of Table 't' must be a `Vocabulary`, .*given"):
        Table("t", 5, values=Indices(5))
    with pytest.raises(ValueError, match="The name of a Table must consist of ASCII letters"):
        Table("a b", 5)
    with pytest.raises(ValueError, match="Table 't' must be given exactly one of"):
        Table("t")
