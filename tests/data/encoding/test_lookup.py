"""Raw values to indices: the same as with a dictionary and as in the exported graph."""

import collections
import datetime
import decimal

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf

from keras_din.data.encoding.lookup import fit_feature, to_column, to_indices, vocabulary_of
from keras_din.features import Bucketized, Categorical, Numeric

LARGE = 2**53 + 1  # As a float it would be rounded to 2**53.


def indices(values, **ways) -> list:
    feature = Categorical("item", dim=4, **ways)
    result = to_indices(feature, values)
    column, missing = to_column(feature, values)
    assert result.dtype == column.dtype == np.int32
    np.testing.assert_array_equal(result, column)
    assert missing == sum(pd.isna(value) or value == "" for value in values)
    return result.tolist()


# Vocabularies


@pytest.mark.parametrize(
    "values, expected",
    [
        (["b", "a", "b", "c"], ("b", "a", "c")),
        (["b", "a", "Z", "é", "aa"], ("Z", "a", "aa", "b", "é")),  # Ties are sorted by value.
        ([3, 1, 10, 1, 2, 2], (1, 2, 3, 10)),
        (["10", "9"], ("10", "9")),
        ([-1, 0, 5], (-1, 0, 5)),
        ([1.0, 2.0, np.nan, 2.0], (2, 1)),
        ([True, False, True], (1, 0)),
        ([1, "a", "1"], ("1", "a")),
        (pd.Series([LARGE, None, LARGE - 1, LARGE], dtype="Int64"), (LARGE, LARGE - 1)),
        (pd.Series([LARGE, None, LARGE - 1, LARGE], dtype=object), (LARGE, LARGE - 1)),
        ([2**64 - 1, 1], ("1", str(2**64 - 1))),
        (pd.Series([2**70, None, 2**63, 5], dtype=object), (str(2**70), "5", str(2**63))),
        (["nan", "None", None], ("None", "nan")),
        (["x", "", None, ""], ("x",)),
        ([], ()),
        ([None, None], ()),
        ([np.nan], ()),
    ],
)
def test_vocabulary(values, expected):
    vocabulary = vocabulary_of(values)
    assert vocabulary == expected
    assert [type(value) for value in vocabulary] == [type(value) for value in expected]


@hypothesis.given(
    st.lists(st.sampled_from(["a", "b", "B", "ab", "é", "10", "9", "", None])), st.integers(1, 3)
)
@hypothesis.settings(max_examples=30, deadline=None)
def test_vocabulary_matches_a_slow_loop(values, min_count):
    counts = collections.Counter(value for value in values if value)
    often = [value for value, count in counts.items() if count >= min_count]
    expected = sorted(often, key=lambda value: (-counts[value], value))
    assert vocabulary_of(values, min_count) == tuple(expected)
    assert vocabulary_of(values[::-1], min_count) == tuple(expected)


@pytest.mark.parametrize("min_count", [0, -1, 1.5, True, "2"])
def test_min_count(min_count):
    with pytest.raises(ValueError, match=r"`min_count` must be a positive integer\. Received: "):
        vocabulary_of(["a"], min_count)


def test_floats_raise_for_a_vocabulary():
    with pytest.raises(ValueError, match=r"must be of strings or integers\. Received: 0\.5"):
        vocabulary_of([0.5, 1.5])


# Features from training values


@pytest.mark.parametrize(
    "values, expected",
    [
        (["b", "a", "b"], ("b", "a")),
        ([7, 7, 3], (7, 3)),
        ([True, False, False], (0, 1)),
        ([1.0, np.nan, 2.0], (1, 2)),
        ([1, "", None], (1,)),
        (pd.Series([True, None, True]), (1,)),
        (pd.Series(["x", None], dtype="category"), ("x",)),
        (pd.Series([5, None], dtype="category"), (5,)),
        (pd.Series([LARGE, None], dtype=pd.ArrowDtype(pa.int64())), (LARGE,)),
        (pd.Series(["x", None], dtype=pd.ArrowDtype(pa.string())), ("x",)),
    ],
)
def test_categorical_from_values(values, expected):
    feature = fit_feature("item", values, dim=8)
    assert feature == Categorical("item", vocabulary=expected, dim=8)


@pytest.mark.parametrize(
    "values, mean, std",
    [
        ([1.0, 2.0, 4.5], 2.5, (13 / 6) ** 0.5),  # (2.25 + 0.25 + 4) / 3.
        ([1.5, np.nan, 2.5, np.inf, None], 2.0, 0.5),
        ([1.0, 3.0], 2.0, 1.0),
        ([1, 3.0, 2.5, 1.5], 2.0, 0.625**0.5),  # (1 + 1 + 0.25 + 0.25) / 4.
        (pd.Series([1.5, None, 2.5], dtype="Float64"), 2.0, 0.5),
        (pd.Series([1.5, None, 2.5], dtype=pd.ArrowDtype(pa.float32())), 2.0, 0.5),
        (pd.Series([1.5, "", 2.5], dtype=object), 2.0, 0.5),
        ([1e300, 1.5, 2.5], 2.0, 0.5),  # Too large for float32, so it counts as missing.
        ([0.1, 0.1, 0.1], 0.1, 1.0),
        ([0.5], 0.5, 1.0),
        ([0.0, 0.0], 0.0, 1.0),
    ],
)
def test_numeric_from_values(values, mean, std):
    feature = fit_feature("age", values)
    assert isinstance(feature, Numeric)
    assert (feature.mean, feature.std) == pytest.approx((mean, std), rel=1e-12)


def test_constant_is_0_after_normalization():
    feature = fit_feature("age", [0.1] * 7)
    column, _ = to_column(feature, [0.1])
    assert abs(column[0] - feature.mean) / feature.std < 1e-6


@pytest.mark.parametrize(
    "feature",
    [Numeric("age", mean=1, std=2), Categorical("item", 9), Bucketized("a", boundaries=[])],
)
def test_given_feature_is_returned_unchanged(feature):
    assert fit_feature(feature, [None]) is feature


@pytest.mark.parametrize(
    "values, message",
    [
        ([], r"Column 'item' must have values in the training part\. Received: none\."),
        ([None, ""], "must have values in the training part"),
        ([np.nan], "must have values in the training part"),
        (["a", "b"], r"values that occur `min_count` times .* Received: min_count=2\."),
        ([["a"]], r"'item' must hold strings, integers, booleans or floats\. Received: mixed"),
        (["a", 1.5], "must hold strings, integers, booleans or floats. Received: mixed"),
        ([b"a"], "must hold strings.* Received: bytes"),
        ([datetime.date(2020, 1, 1)], "must hold strings.* Received: date"),
        (pd.to_datetime(["2020-01-01"]), "must hold strings.* Received: datetime64"),
        (pd.to_timedelta([1], unit="s"), "must hold strings.* Received: timedelta64"),
        ([decimal.Decimal("1.5")], "must hold strings.* Received: decimal"),
    ],
)
def test_invalid_values_raise(values, message):
    with pytest.raises(ValueError, match=message):
        fit_feature("item", values, min_count=2)


# Vocabulary


@pytest.mark.parametrize(
    "values, expected",
    [
        (["b", "a", "zebra", "B", "a "], [2, 3, 1, 1, 1]),
        (["b", None, "", np.nan], [2, 1, 1, 1]),
        ([5, 7], [4, 1]),
        ([5.0, np.nan, 7.0], [4, 1, 1]),
        ([5.0, 7.0], [4, 1]),
        ([5, "a", "5"], [4, 3, 4]),
        (["nan", "None", "<NA>"], [5, 1, 1]),
        ([True, False], [1, 1]),
        (pd.Series(["a", None], dtype="category"), [3, 1]),
        (pd.Series(["a", None], dtype="string"), [3, 1]),
        (pd.Series(["a", None, ""], dtype=pd.ArrowDtype(pa.string())), [3, 1, 1]),
        (pd.Series([5, None], dtype=pd.ArrowDtype(pa.int8())), [4, 1]),
        ([], []),
        ([None], [1]),
    ],
)
def test_lookup_in_a_vocabulary_of_strings(values, expected):
    assert indices(values, vocabulary=["b", "a", "5", "nan"]) == expected


@pytest.mark.parametrize(
    "values, expected",
    [
        ([7, 5, 0, -3, 9], [2, 3, 1, 5, 1]),
        (["7", "5", "-3", "x", "", None], [2, 3, 5, 1, 1, 1]),
        (["007", "5.0", " 5", "+5", "5e0", "\N{ARABIC-INDIC DIGIT FIVE}"], [1, 1, 1, 1, 1, 1]),
        (["-0", "-3", "-03", "9" * 5000], [1, 5, 1, 1]),  # `007` is not `7`, same as in a log.
        ([7.0, np.nan], [2, 1]),
        ([7.0, 5.0], [2, 3]),
        (["7", 5, None], [2, 3, 1]),
        ([True, False], [1, 1]),
        (np.array([7, 5], np.uint8), [2, 3]),
        (np.array([2**64 - 1, 7], np.uint64), [1, 2]),
        (pd.Series([LARGE, None, LARGE - 1], dtype="Int64"), [4, 1, 1]),
        (pd.Series([LARGE, None, LARGE - 1], dtype=pd.ArrowDtype(pa.int64())), [4, 1, 1]),
        (pd.Series([LARGE, None, LARGE - 1], dtype=object), [4, 1, 1]),
        ([str(LARGE), str(LARGE - 1)], [4, 1]),
        ([str(2**63 - 1), str(-(2**63)), str(2**63), "9" * 40], [6, 7, 1, 1]),
        ([], []),
        (pd.Series([], dtype="str"), []),
    ],
)
def test_lookup_in_a_vocabulary_of_integers(values, expected):
    vocabulary = [7, 5, LARGE, -3, 2**63 - 1, -(2**63)]
    assert indices(values, vocabulary=vocabulary) == expected


@pytest.mark.parametrize("capacity", [3, 9])
def test_a_vocabulary_with_removed_values(capacity):
    values = ["b", "a", "None", None]
    assert indices(values, vocabulary=[None, "a", "b"], capacity=capacity) == [4, 3, 1, 1]
    assert indices([5, 0, 7], vocabulary=[None, 5, None], capacity=capacity) == [3, 1, 1]


@pytest.mark.parametrize(
    "values, received",
    [
        ([5.5], r"5\.5 in row 0"),
        (pd.Series([None, 5.5], index=[8, 9]), r"5\.5 in row 9"),
    ],
)
@pytest.mark.parametrize("ways", [{"vocabulary": [5]}, {"hash_buckets": 9}, {"vocabulary_size": 9}])
def test_floats_raise_for_categories(values, received, ways):
    message = r"Column 'item' must hold strings or integers for a Categorical\. Received: "
    with pytest.raises(ValueError, match=message + received):
        to_indices(Categorical("item", **ways), values)
    with pytest.raises(
        ValueError, match=r"'item' must hold ids of a type that keeps all their digits"
    ):
        to_indices(Categorical("item", **ways), [5.0, 1e20])


@hypothesis.given(
    st.lists(st.one_of(st.none(), st.text(max_size=3), st.sampled_from(["1", "2", "-1", "01"]))),
    st.lists(st.text(min_size=1, max_size=3), min_size=1, unique=True),
)
@hypothesis.settings(max_examples=40, deadline=None)
def test_strings_match_a_dictionary(values, vocabulary):
    places = {value: place for place, value in enumerate(vocabulary, 2)}
    expected = [places.get(value, 1) for value in values]
    assert indices(pd.Series(values, dtype=object), vocabulary=vocabulary) == expected


@hypothesis.given(
    st.lists(st.one_of(st.none(), st.integers(-3, 3), st.integers(-(2**63), 2**63 - 1))),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, unique=True),
    st.sampled_from(["Int64", "object", "strings"]),
)
@hypothesis.settings(max_examples=40, deadline=None)
def test_integers_match_a_dictionary(values, vocabulary, form):
    places = {value: place for place, value in enumerate(vocabulary, 2)}
    expected = [places.get(value, 1) for value in values]
    if form == "strings":
        values = pd.Series([None if v is None else str(v) for v in values], dtype=object)
    values = pd.Series(values, dtype="Int64" if form == "Int64" else object)
    assert indices(values, vocabulary=vocabulary) == expected


def test_learned_values_have_known_indices():
    for values in (["b", "a", "b", None], [LARGE, LARGE - 1, LARGE], [2**64 - 1, 5], [1.0, np.nan]):
        feature = fit_feature("item", values)
        known = [i for i, value in enumerate(values) if not pd.isna(value)]
        first = to_indices(feature, values)[known]
        assert sorted(set(first)) == list(range(2, 2 + len(feature.vocabulary)))
        assert first[0] == 2


# Hash buckets


@tf.function
def hashed_in_a_graph(values, buckets):
    if values.dtype != tf.string:
        values = tf.strings.as_string(values)
    return tf.strings.to_hash_bucket_fast(values, buckets) + 2


@pytest.mark.parametrize("dtype", ["string", "int64"])
@pytest.mark.parametrize("buckets", [1, 7, 1_000_000])
def test_hashed_integers_equal_those_of_the_graph(dtype, buckets):
    values = np.array([0, 1, -1, 12345, LARGE, 2**63 - 1, -(2**63)])
    expected = hashed_in_a_graph(tf.constant(values), buckets).numpy().tolist()
    as_strings = tf.constant([str(value) for value in values])
    assert hashed_in_a_graph(as_strings, buckets).numpy().tolist() == expected
    ways = {"hash_buckets": buckets, "dtype": dtype}
    if dtype == "int64":  # The smallest int64 is the missing value.
        expected[-1] = 1
    assert indices(values, **ways) == expected
    assert indices([str(value) for value in values], **ways) == expected
    assert indices(pd.Series([*values, None], dtype="Int64"), **ways) == [*expected, 1]
    assert indices(np.array([5.0, np.nan]), **ways) == [indices([5], **ways)[0], 1]


def test_hashed_strings_equal_those_of_the_graph():
    values = ["a", "é", "日本", "5", " ", "nan", "x" * 1000]
    expected = hashed_in_a_graph(tf.constant(values), 1000).numpy().tolist()
    assert indices([*values, "", None], hash_buckets=1000) == [*expected, 1, 1]
    arrow = [pa.string(), pa.dictionary(pa.int32(), pa.string())]
    for dtype in ("category", "string", *map(pd.ArrowDtype, arrow)):
        assert indices(pd.Series(values, dtype=dtype), hash_buckets=1000) == expected


def test_integers_beyond_64_bits_are_hashed_as_strings():
    expected = indices([str(2**64 - 1), "5"], hash_buckets=1000)
    assert indices(np.array([2**64 - 1, 5], np.uint64), hash_buckets=1000) == expected


def test_non_integers_are_out_of_vocabulary_of_hashed_integers():
    assert indices(["x", "5.0", str(2**63), ""], hash_buckets=9, dtype="int64") == [1] * 4


@pytest.mark.parametrize("values", [[], pd.Series([], dtype="str"), np.zeros(0, int), [None]])
@pytest.mark.parametrize("dtype", ["string", "int64"])
def test_missing_values_have_no_hash(values, dtype):
    assert indices(values, hash_buckets=9, dtype=dtype) == [1] * len(values)


# Indices as raw values


@pytest.mark.parametrize(
    "values, expected",
    [
        ([1, 2, 8], [1, 2, 8]),
        (["1", "8", "", None], [1, 8, 1, 1]),
        ([8.0, np.nan], [8, 1]),
        (np.array([3, 4], np.uint8), [3, 4]),
        ([], []),
    ],
)
def test_indices(values, expected):
    assert indices(values, vocabulary_size=9) == expected


@pytest.mark.parametrize(
    "values, received",
    [
        ([1, 0], "0 in row 1"),
        ([1, 2, 9], "9 in row 2"),
        ([-1], "-1 in row 0"),
        ([2**32 + 3], "4294967299 in row 0"),
        (["3", "x"], "'x' in row 1"),
        (["3", str(2**70)], "'1180591620717411303424' in row 1"),
        (np.array([2**64 - 1], np.uint64), "18446744073709551615 in row 0"),
        ([True, False], "False in row 1"),
        (pd.Series([3, 10], index=[50, 60]), "10 in row 60"),
        (pd.Series([3, None, 10], dtype="Int64"), "10 in row 2"),
    ],
)
def test_invalid_indices_raise(values, received):
    message = (
        r"Column 'item' must hold indices from 1 to 8, since the feature has a `vocabulary_size` "
        r"and no `vocabulary` \(0 is padding, 1 is out-of-vocabulary\)\. Received: "
    )
    with pytest.raises(ValueError, match=message + received + r"\."):
        to_indices(Categorical("item", 9), values)


# Numbers


@pytest.mark.parametrize(
    "values, expected, missing",
    [
        ([1.5, np.nan, None, np.inf, -np.inf], [1.5, 9, 9, 9, 9], 4),
        ([1, -2], [1, -2], 0),
        ([True, False], [1, 0], 0),
        (["1.5", "x", "", None, "-2"], [1.5, 9, 9, 9, -2], 3),
        ([1, "2", None], [1, 2, 9], 1),
        ([1e39, -1e39, 3e38], [9, 9, 3e38], 2),
        ([decimal.Decimal("1.5"), None], [1.5, 9], 1),
        (pd.Series([1, None], dtype="Int64"), [1, 9], 1),
        (pd.Series([True, None], dtype="boolean"), [1, 9], 1),
        (pd.Series(["1.5", None], dtype="category"), [1.5, 9], 1),
        (pd.Series([1.5, None], dtype=pd.ArrowDtype(pa.float64())), [1.5, 9], 1),
        (
            pd.Series([decimal.Decimal("1.5"), None], dtype=pd.ArrowDtype(pa.decimal128(9, 2))),
            [1.5, 9],
            1,
        ),
        ([], [], 0),
    ],
)
def test_numbers(values, expected, missing):
    column, count = to_column(Numeric("age", mean=9, std=2), values)
    assert column.dtype == np.float32
    np.testing.assert_array_equal(column, np.array(expected, np.float32))
    assert count == missing


@pytest.mark.parametrize(
    "values",
    [
        pd.to_datetime(["2020-01-01"]),
        pd.to_timedelta([1], unit="s"),
        pd.period_range("2020-01", "2020-02", freq="M"),
    ],
)
def test_dates_raise_for_a_numeric(values):
    with pytest.raises(ValueError, match=r"'age' must hold numbers\. Received: (date|time|period)"):
        to_column(Numeric("age"), values)
