"""Raw values get the same indices in a graph as in the training pipeline."""

import hypothesis
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import strategies as st

from keras_din.data.encoding.lookup import to_indices
from keras_din.features import MISSING_INT64, Categorical, FeatureSpec, Numeric
from keras_din.serving.graph.encoding import FeatureEncoder, raw_dtype
from keras_din.serving.graph.lookup_tables import vocabulary_file

LARGE = 2**53 + 1


def in_a_graph(feature, values, scratch, padding=False):
    item = Categorical("only_for_the_spec", 9)
    encoder = FeatureEncoder(FeatureSpec(context=[feature], target=[item]), scratch)
    look_up = encoder.with_padding if padding else encoder
    signature = tf.TensorSpec([None], raw_dtype(feature))
    function = tf.function(lambda values: look_up(feature, values), input_signature=[signature])
    return function(tf.constant(values, raw_dtype(feature))).numpy()


@pytest.mark.parametrize(
    "feature, values, expected",
    [
        (
            Categorical("f", vocabulary=["b", "é", " a"]),
            ["é", "b", " a", "a", "", "B"],
            [3, 2, 4, 1, 1, 1],
        ),
        (
            Categorical("f", vocabulary=["a\nb", "a", "\r"]),
            ["a", "a\nb", "\r", "b", ""],
            [3, 2, 4, 1, 1],
        ),
        (Categorical("f", vocabulary=[5, -3, LARGE, 0]), [0, LARGE, LARGE - 1, -3], [5, 4, 1, 3]),
        # With a removed value, in a file and in the graph.
        (
            Categorical("f", vocabulary=["b", None, "a", None], capacity=9),
            ["a", "b", "None", ""],
            [4, 2, 1, 1],
        ),
        (Categorical("f", vocabulary=["b", None, "\n"], capacity=9), ["\n", "b", ""], [4, 2, 1]),
        (Categorical("f", vocabulary=[None, 5, None, 0], capacity=4), [0, 5, 1], [5, 3, 1]),
        (Categorical("f", 5), [0, 1, 4, 5, -1, 2**31 - 1, -(2**31)], [0, 1, 4, 1, 1, 1, 1]),
        (Numeric("f", mean=2.5), [1.5, np.nan, np.inf, -np.inf], [1.5, 2.5, 2.5, 2.5]),
    ],
)
def test_by_hand(feature, values, expected, tmp_path):
    np.testing.assert_array_equal(in_a_graph(feature, values, tmp_path), expected)


# pandas before version 3 treats strings as equal if they only differ after a NUL.
NUL_ENDS_STRINGS = int(pd.__version__.split(".")[0]) < 3
CHARACTERS = st.characters(
    exclude_categories=["Cs"], exclude_characters="\0" if NUL_ENDS_STRINGS else ""
)
# Values that a text file could change: spaces, separators, NUL, byte order marks.
ODD = [" lead", "tail ", "\t", "\x00", "a\x00b", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\ufeff"]


@pytest.mark.skipif(NUL_ENDS_STRINGS, reason="pandas before 3 ends strings at a NUL")
@pytest.mark.parametrize("more", [[], ["line\nbreak"]])
def test_odd_strings(more, tmp_path):
    feature = Categorical("f", vocabulary=[*ODD, *more, "日本"])
    values = [*feature.vocabulary, "lead", "tail", "a", "ab", "\x00\x00", ""]
    found = in_a_graph(feature, values, tmp_path)
    np.testing.assert_array_equal(found, to_indices(feature, pd.Series(values, dtype=object)))
    assert (vocabulary_file(feature.table) is None) == bool(more)


@hypothesis.given(
    st.lists(st.text(CHARACTERS, min_size=1), min_size=1, unique=True),
    st.lists(st.text(CHARACTERS, max_size=3)),
)
@hypothesis.settings(max_examples=20, deadline=None)
def test_strings_get_the_indices_of_training(tmp_path_factory, vocabulary, others):
    values = pd.Series([*vocabulary, *others, ""], dtype=object)
    for ways in ({"vocabulary": vocabulary}, {"hash_buckets": 50}):
        feature = Categorical("f", **ways)
        found = in_a_graph(feature, values.tolist(), tmp_path_factory.mktemp("scratch"))
        np.testing.assert_array_equal(found, to_indices(feature, values))


INT64 = st.one_of(st.integers(-3, 3), st.integers(-(2**63), 2**63 - 1))


@hypothesis.given(st.lists(INT64, min_size=1, unique=True), st.lists(INT64))
@hypothesis.settings(max_examples=20, deadline=None)
def test_integers_get_the_indices_of_training(tmp_path_factory, vocabulary, others):
    values = np.array([*vocabulary, *others, 0], np.int64)
    for ways in ({"vocabulary": vocabulary}, {"hash_buckets": 50, "dtype": "int64"}):
        feature = Categorical("f", **ways)
        found = in_a_graph(feature, values, tmp_path_factory.mktemp("scratch"))
        np.testing.assert_array_equal(found, to_indices(feature, values))


@pytest.mark.parametrize(
    "feature, padding",
    [
        (Categorical("f", vocabulary=["a"]), ""),
        (Categorical("f", hash_buckets=9), ""),
        (Categorical("f", 9), 0),
        (Categorical("f", hash_buckets=9, dtype="int64"), 0),
        (Categorical("f", vocabulary=[3, 5]), 0),
        (Categorical("f", vocabulary=[3, 0]), -1),
        (Categorical("f", vocabulary=[-1, -2, 0, -4, 3]), -3),
    ],
)
def test_padding(feature, padding, tmp_path):
    assert feature.padding_value == padding
    other = "a" if padding == "" else 3
    index = in_a_graph(feature, [padding, other], tmp_path, padding=True)
    assert index[0] == 0
    assert index[1] == in_a_graph(feature, [other], tmp_path)[0] > 1


def test_padding_value_is_a_value_in_other_features(tmp_path):
    feature = Categorical("f", hash_buckets=9, dtype="int64")
    assert in_a_graph(feature, [0], tmp_path)[0] == to_indices(feature, [0])[0] > 1


def test_a_missing_integer_of_hash_buckets_is_out_of_vocabulary(tmp_path):
    feature = Categorical("f", hash_buckets=9, dtype="int64")
    assert to_indices(feature, pd.Series([MISSING_INT64, None], dtype="Int64")).tolist() == [1, 1]
    assert in_a_graph(feature, [MISSING_INT64, MISSING_INT64 + 1], tmp_path).tolist() == [
        1,
        *to_indices(feature, [MISSING_INT64 + 1]),
    ]
