"""The raw values of a table: type, size, padding value, missing value, JSON."""

import dataclasses

import numpy as np
import pytest

from keras_din.features import (
    MISSING_INT64,
    Bag,
    Categorical,
    FeatureSpec,
    HashBuckets,
    Indices,
    Numeric,
    Sequence,
    Table,
    Vocabulary,
)


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
        (Vocabulary(["a"], capacity=3), "string", 5, "", "unknown"),
        # Removed values.
        (Vocabulary([None, "a", None], capacity=3), "string", 5, "", "unknown"),
        (Vocabulary([None, 0], "int64", 2), "int64", 4, -1, -2),
    ],
)
def test_raw_dtype_size_padding_value_and_missing_value(values, raw_dtype, size, padding, missing):
    assert (values.raw_dtype, values.size) == (raw_dtype, size)
    assert (values.padding_value, values.missing_value) == (padding, missing)
    assert Table.from_dict(Table("t", values=values).to_dict()) == Table("t", values=values)


def test_known_values_of_a_vocabulary_with_spare_rows():
    indices, values = Vocabulary(["a", None, "b", None], capacity=6).known
    assert (list(indices), list(values)) == ([2, 4], ["a", "b"])
    indices, values = Vocabulary([7, 5], capacity=6).known
    assert (list(indices), list(values)) == ([2, 3], [7, 5])


def test_capacity_is_kept_by_replace_and_absent_from_json_without_one():
    assert Vocabulary(["a"]).to_dict() == {"vocabulary": ["a"], "dtype": "string"}
    feature = Categorical("f", vocabulary=["a", None], capacity=3, dim=2)
    assert repr(feature) == "Categorical('f', vocabulary=<1 strings, 1 removed>, capacity=3, dim=2)"
    assert (feature.capacity, feature.vocabulary_size) == (3, 5)
    wider = dataclasses.replace(feature, vocabulary=["a", "b", "c"])
    assert wider == Categorical("f", vocabulary=["a", "b", "c"], capacity=3, dim=2)
    assert dataclasses.replace(feature, dim=2) == feature
    assert Bag("f", vocabulary=["a"], capacity=3).capacity == 3
    assert Categorical("f", 5).capacity is None


@pytest.mark.parametrize(
    "arguments, text",
    [
        ({"vocabulary": ["a", "b"], "capacity": 1}, "at least .* entries, 2. Received: capacity=1"),
        ({"vocabulary": ["a"], "capacity": 1.5}, "`capacity` of .* must be a positive integer"),
        ({"vocabulary_size": 5, "capacity": 9}, "given with `vocabulary`.* Received: capacity=9"),
        ({"vocabulary": ["a", None]}, "with a `capacity`, None .* Received: .* NoneType, str"),
        ({"vocabulary": [None], "capacity": 3}, "must not be empty"),
        ({"vocabulary": ["a", None, "a"], "capacity": 3}, "each value once. Received: 'a' twice"),
    ],
)
def test_wrong_capacity_raises(arguments, text):
    with pytest.raises(ValueError, match=text):
        Categorical("f", **arguments)


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


@pytest.mark.parametrize(
    "values, raw, indices",
    [
        (Vocabulary(["tea", "pot"]), [["pot", "tea"], ["", "cup"]], [[3, 2], [0, 1]]),
        (Vocabulary([0, 7]), [[7, 0], [-1, 5]], [[3, 2], [0, 1]]),
        (Vocabulary([None, "a"], capacity=4), ["a", "b"], [3, 1]),
        (Indices(5), [[4, 0]], [[4, 0]]),
    ],
)
def test_encode_and_decode(values, raw, indices):
    encoded = values.encode(raw)
    assert encoded.dtype == "int32"
    np.testing.assert_array_equal(encoded, indices)
    decoded = values.decode(indices)
    is_known = np.not_equal(indices, 1)
    np.testing.assert_array_equal(decoded[is_known], np.array(raw, object)[is_known])
    assert set(decoded[~is_known]) <= {values.missing_value}
    np.testing.assert_array_equal(values.encode(decoded), indices)


def test_spec_encodes_and_decodes_inputs():
    item = Categorical("item", vocabulary=["tea", "pot"], dim=2)
    hashed = Categorical("word", hash_buckets=3, dim=2)
    spec = FeatureSpec(
        context=[Numeric("age"), hashed], target=[item], sequences=[Sequence("hist", of=[item])]
    )
    np.testing.assert_array_equal(spec.encode("hist_item", [["pot", ""]]), [[3, 0]])
    np.testing.assert_array_equal(spec.decode("item", [3, 0]), ["pot", ""])
    for call, message in (
        (
            lambda: spec.decode("age", [1]),
            r"one of \['word', 'item', 'hist_item'\]. Received: 'age'",
        ),
        (lambda: spec.encode("word", ["a"]), "Received: hash_buckets=3"),
        (lambda: spec.decode("word", [2]), "a bucket has many values"),
        (lambda: spec.decode("item", [4]), "from 0 to 3. Received: 4"),
        (lambda: spec.decode("item", [-1]), "from 0 to 3. Received: -1"),
        (lambda: spec.decode("item", [1.5]), "must be integers. Received: dtype float64"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
