"""The state of a vocabulary: values that must stay, since clients send the padding value."""

import numpy as np
import pandas as pd
import pytest

from keras_din.data.prepare.vocabulary_state import Eviction, VocabularyState
from keras_din.features import Vocabulary


def after(entries, seen, **eviction):
    """The entries after a log of one value in one row, ten microseconds later."""
    values = Vocabulary(entries)
    count = np.ones(values.size, np.int64)
    empty = pd.Series([], index=pd.Index([], dtype=np.int64), dtype=np.int64)
    state = VocabularyState.of_prepared(values, count, empty, 0)
    seen = pd.Series([1], index=pd.Index([seen]))
    state, report = state.append(seen, 10, 1, 1, Eviction(**eviction))
    return state.values, report


@pytest.mark.parametrize("eviction", [{"max_age": 5}, {"max_values": 3}])
@pytest.mark.parametrize(
    "entries, expected", [([7, 0, -1, -3], [5, 0, -1]), ([-1, 7, 6, 8], [5]), ([7, 8], [5])]
)
def test_value_that_determines_padding_is_not_removed(entries, expected, eviction):
    before = Vocabulary(entries)
    values, report = after(entries, 5, **eviction)
    assert values.padding_value == before.padding_value
    assert set(values.known[1]) >= set(expected)
    assert report["evicted"] > 0 or "max_values" in eviction


def test_a_vocabulary_is_never_empty():
    values, report = after([7, 8], 0, max_age=5)  # 0 is the padding value.
    assert (values.entries, report["evicted"]) == ((7, 8), 0)
