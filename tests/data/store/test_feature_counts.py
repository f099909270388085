"""Counts of indices: by hand, and compared with the batches of a model."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from keras_din.data import BehaviorLog, PreparedData, Samples, dataset
from keras_din.data.store.feature_counts import count_features
from keras_din.features import Categorical, FeatureSpec, Numeric, Sequence
from tests.data.pipeline.shared import numpy_batches

ITEM = Categorical("item", 8, dim=4)
SEGMENT = Categorical("segment", 4, dim=4)
ACTION = Categorical("action", 5, dim=4)
PRICE = Numeric("price")


def a_spec(max_length):
    return FeatureSpec(
        context=[SEGMENT],
        target=[ITEM, PRICE],
        sequences=[
            Sequence("seen", of=[ITEM, PRICE], max_length=max_length),
            Sequence("bought", of=[ITEM], side_features=[ACTION], max_length=3),
        ],
    )


def test_all_occurrences_are_counted():
    """One user with four events and three samples. Histories are cut to the last two events."""
    spec = FeatureSpec(
        context=[SEGMENT], target=[ITEM], sequences=[Sequence("hist", of=[ITEM], max_length=2)]
    )
    log = BehaviorLog([0, 4], {"item": [2, 3, 3, 4]})
    samples = Samples(
        columns={"segment": [0, 2, 2], "item": [3, 5, 3]},
        history={"hist": ([0, 0, 0], [0, 3, 4])},  # A model reads none, 3 3, and 3 4.
        labels=[1, 0, 1],
        group=[0, 0, 0],
    )
    data = PreparedData(spec, {"hist": log}, {"train": samples, "test": samples[:1]})
    counts = data.feature_counts()
    assert list(counts) == ["segment", "item"]
    assert counts["segment"].tolist() == [0, 0, 2, 0]  # Index 0 is padding and is not counted.
    assert counts["item"].tolist() == [0, 0, 0, 2 + 3, 1, 1, 0, 0]
    assert all(values.dtype == np.int64 for values in counts.values())
    assert data.feature_counts("test")["item"].tolist() == [0, 0, 0, 1, 0, 0, 0, 0]
    with pytest.raises(ValueError, match=r"`part` must be one of 'train', 'test'\. .*'valid'"):
        data.feature_counts("valid")


@hypothesis.given(
    st.lists(st.integers(0, 6), min_size=1, max_size=5),
    st.integers(1, 7),
    st.integers(1, 12),
    st.integers(0, 2**32 - 1),
)
@hypothesis.settings(max_examples=25, deadline=None)
def test_counts_match_the_batches(lengths, max_length, rows, seed):
    rng = np.random.default_rng(seed)
    spec = a_spec(max_length)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    events = int(offsets[-1])
    behaviors = {
        "seen": BehaviorLog(
            offsets, {"item": rng.integers(1, 8, events), "price": rng.random(events, np.float32)}
        ),
        "bought": BehaviorLog(
            offsets, {"item": rng.integers(1, 8, events), "action": rng.integers(0, 5, events)}
        ),
    }
    users = rng.integers(len(lengths), size=rows)
    history = {}
    for name in behaviors:
        start = rng.integers(offsets[users], offsets[users + 1] + 1)
        history[name] = (start, rng.integers(start, offsets[users + 1] + 1))
    samples = Samples(
        columns={
            "segment": rng.integers(0, 4, rows),
            "item": rng.integers(1, 8, rows),
            "price": rng.random(rows, np.float32),
        },
        history=history,
        labels=rng.integers(0, 2, rows),
        group=users,
    )
    expected = {
        feature.name: np.zeros(feature.vocabulary_size, int) for feature in (ITEM, SEGMENT, ACTION)
    }
    for x, _ in numpy_batches(dataset(spec, behaviors, samples, batch_size=4)):
        for name, info in spec.inputs.items():
            if info.feature.name in expected:
                for index in x[name].ravel():
                    expected[info.feature.name][index] += index != 0
    counts = count_features(spec, behaviors, samples)
    assert counts.keys() == expected.keys()
    for name, values in counts.items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


def test_inconsistent_data_raises():
    log = BehaviorLog([0, 1], {"item": [2]})
    samples = Samples(
        columns={"segment": [1], "item": [8], "price": [1.0]},
        history={"seen": ([0], [1]), "bought": ([0], [1])},
        labels=[1],
        group=[0],
    )
    with pytest.raises(ValueError, match="'item' must be indices from 1 to 7"):
        count_features(a_spec(3), {"seen": log, "bought": log}, samples)
