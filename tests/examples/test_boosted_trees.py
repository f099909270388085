"""Boosted trees on counts: features by hand, and no row uses its own label."""

import dataclasses
import itertools

import numpy as np
import pytest
import threadpoolctl

from examples.reproduce import boosted_trees
from examples.reproduce.boosted_trees import features
from keras_din import Bag, Categorical, FeatureSpec, Numeric, Sequence
from keras_din.data import BehaviorLog, PreparedData, Samples
from keras_din.data.store.bags import Bags

ITEM, TAGS = Categorical("item", 5, dim=4), Bag("tags", 5, dim=4)
SPEC = FeatureSpec(
    context=[Numeric("age")],
    target=[ITEM, TAGS],
    sequences=[Sequence("hist", of=[ITEM, TAGS], max_length=3)],
)


@pytest.fixture(autouse=True)
def one_thread():
    """With several threads, small trees are slow if tests share the cores."""
    with threadpoolctl.threadpool_limits(1):
        yield


def bags(rows):
    lengths = [len(row) for row in rows]
    return Bags(
        np.arange(len(rows)),
        np.cumsum([0, *lengths]),
        np.array(list(itertools.chain(*rows)), "int32"),
    )


def a_log(label=(1, 0, 0, 1), time=(10, 20, 20, 30)):
    """A log with items 2, 2, 3, 2 at these times, one test row, and the history 3, 2, 3, 4."""
    log = BehaviorLog(
        [0, 4],
        {"item": np.array([3, 2, 3, 4], "int32"), "tags": bags([[2], [2], [3], [4]])},
    )

    def part(item, tags, label, time, start, end):
        return Samples(
            {
                "age": np.arange(len(item), dtype="float32"),
                "item": np.array(item, "int32"),
                "tags": bags(tags),
            },
            {"hist": (np.array(start), np.array(end))},
            np.array(label),
            np.zeros(len(item), int),
            time=time and np.array(time),
        )

    train = part([2, 2, 3, 2], [[2], [2, 3], [3], []], label, time, [0, 0, 0, 0], [0, 1, 4, 4])
    test = part([2], [[2, 4]], [1], [40], [0], [4])
    return PreparedData(SPEC, {"hist": log}, {"train": train, "valid": test, "test": test})


def test_features_by_hand():
    """age; item, tags and user: rate and log frequency; length, matches, share, recency."""
    prior = 10 * 0.5  # Half of the training rows are clicked.
    one, two = np.log1p(1), np.log1p(2)
    found = features(a_log(), "train")
    rate, frequency = found[:, 1], found[:, 2]
    # Item 2 without earlier rows; with one click; item 3 without earlier rows; item 2: 1 of 2.
    np.testing.assert_allclose(rate, [0.5, (1 + prior) / 11, 0.5, (1 + prior) / 12], rtol=1e-6)
    # Earlier rows: 0, 1, 1, 3. Two rows at the same time do not count each other.
    expected = [0, one - one, 0 - one, two - np.log1p(3)]
    np.testing.assert_allclose(frequency, expected, rtol=1e-6, atol=1e-7)
    # Tags: the mean of tag 2 (1 of 1) and tag 3 (0 of 0); a row without tags.
    tags = [0.5, ((1 + prior) / 11 + 0.5) / 2, 0.5, 0.5]
    np.testing.assert_allclose(found[:, 3], tags, rtol=1e-6)
    user = [0.5, (1 + prior) / 11, (1 + prior) / 11, (1 + prior) / 13]
    np.testing.assert_allclose(found[:, 5], user, rtol=1e-6)
    np.testing.assert_array_equal(found[:, 0], [0, 1, 2, 3])
    # From the last three behaviors of 3, 2, 3, 4.
    np.testing.assert_array_equal(found[:, 7], [0, 1, 3, 3])
    np.testing.assert_array_equal(found[:, 8], [0, 0, 1, 1])
    np.testing.assert_allclose(found[:, 9], [0, 0, 1 / 3, 1 / 3], rtol=1e-6)
    np.testing.assert_allclose(found[:, 10], [0, 0, 1 / 2, 1 / 3], rtol=1e-6)

    (row,) = features(a_log(), "test")
    np.testing.assert_allclose(row[1:3], [(2 + prior) / 13, np.log1p(3) - np.log1p(4)], rtol=1e-6)
    # Tag 2 has 1 click of 2, tag 4 has no rows.
    np.testing.assert_allclose(row[3], ((1 + prior) / 12 + 0.5) / 2, rtol=1e-6)
    np.testing.assert_allclose(row[5:7], [0.5, 0], rtol=1e-6)
    np.testing.assert_array_equal(features(a_log(), "train", np.array([1, 3])), found[[1, 3]])


@pytest.mark.parametrize("time", [(10, 20, 20, 30), None])
def test_rows_use_neither_their_own_label_nor_later_ones(time):
    labels = np.array([1, 0, 0, 1])
    plain = features(a_log(labels, time), "train")
    for row in range(4):
        other = labels.copy()
        other[row] = 1 - other[row]
        mean = labels.mean() - other.mean()
        found = features(a_log(other, time), "train")
        rates = [1, 3, 5]
        # Rates are smoothed by the mean of the part. Subtract its effect from each rate.
        shown = {1: [0, 1, 0, 2], 3: None, 5: [0, 1, 1, 3] if time else [0, 1, 2, 3]}
        for column in rates:
            if shown[column] is not None:
                share = 10 * mean / (10 + np.array(shown[column]))
                same = slice(0, row + 1)
                np.testing.assert_allclose(
                    found[same, column] + share[same], plain[same, column], rtol=1e-5
                )
        np.testing.assert_array_equal(np.delete(found, rates, 1), np.delete(plain, rates, 1))


def test_random_labels_are_not_learned():
    """With random labels, predictions are near the mean."""
    rng = np.random.default_rng(0)

    def part(rows, first):
        return Samples(
            {"item": rng.integers(2, 40, rows).astype("int32")},
            {},
            rng.integers(0, 2, rows),
            rng.integers(0, 300, rows),
            time=np.arange(first, first + rows),
        )

    spec = FeatureSpec(target=[Categorical("item", 40, dim=4)])
    parts = {"train": part(3000, 0), "valid": part(1000, 3000), "test": part(1000, 4000)}
    data = PreparedData(spec, {}, parts)
    outcome, scores = boosted_trees.train(data, {"learning_rate": 0.1, "leaves": 8})
    assert abs(outcome["auc"] - 0.5) < 0.05
    assert np.abs(scores["predictions"] - 0.5).max() < 0.2
    np.testing.assert_array_equal(scores["labels"], parts["test"].label)
    # A planted signal is found.
    planted = {
        name: dataclasses.replace(samples, labels=samples.columns["item"] % 2)
        for name, samples in parts.items()
    }
    outcome, _ = boosted_trees.train(
        PreparedData(spec, {}, planted), {"learning_rate": 0.1, "leaves": 8}
    )
    assert outcome["auc"] > 0.95


def test_constant_features_raise():
    spec = FeatureSpec(target=[Categorical("item", 3, dim=4)])
    samples = Samples({"item": np.full(4, 2, "int32")}, {}, [1, 0, 1, 0], [1] * 4, time=[1] * 4)
    data = PreparedData(spec, {}, {"train": samples, "valid": samples})
    with pytest.raises(ValueError, match="must have a feature that differs between rows"):
        boosted_trees.train(data, boosted_trees.SETTINGS[0])
