"""Tuples of the DIN authors: the same samples, with each user's history stored once."""

import numpy as np
import pytest

from keras_din.data import prepare_tuples
from tests.data.prepare.tuple_rows import CATEGORIES, TEST, TRAIN, as_rows


def test_samples_equal_the_tuples():
    data = prepare_tuples(TRAIN, TEST, CATEGORIES)
    assert as_rows(data, "train") == [row[1:] for row in TRAIN]
    assert as_rows(data, "test") == [
        (history, item, label)
        for _, history, pair in TEST
        for item, label in zip(pair, (1, 0), strict=True)
    ]
    assert data.parts["train"].group.tolist() == [2, 2, 2, 2, 0, 0, 1]
    assert data.parts["test"].group.tolist() == [2, 2, 0, 0]


def test_histories_are_stored_once():
    data = prepare_tuples(TRAIN, TEST, CATEGORIES)
    # [1, 2, 3] of user 7, and [0, 1] and [4] of user 3.
    assert len(data.behaviors["hist"]) == 6
    assert data.report["users"] == 3


def test_random_tuples():
    rng = np.random.default_rng(0)
    train = []
    for _ in range(300):
        items = rng.integers(5, size=rng.integers(4)).tolist()
        train.append((int(rng.integers(9)), items, int(rng.integers(5)), int(rng.integers(2))))
    assert as_rows(prepare_tuples(train, TEST, CATEGORIES), "train") == [row[1:] for row in train]


def test_validation_is_the_last_training_position():
    data = prepare_tuples(TRAIN, TEST, CATEGORIES, valid=True)
    # Users whose only rows are their last ones have none left for training.
    assert as_rows(data, "train") == [row[1:] for row in TRAIN[:2]]
    assert as_rows(data, "valid") == [row[1:] for row in TRAIN[2:]]
    assert as_rows(data, "test") == as_rows(prepare_tuples(TRAIN, TEST, CATEGORIES), "test")


def test_pairs_are_requests():
    data = prepare_tuples(TRAIN, TEST, CATEGORIES)
    (element,) = data.dataset("test", by_request=True)
    assert element[0]["item_id"].shape == (2, 2)
    assert element[1].numpy().tolist() == [[1, 0], [1, 0]]


@pytest.mark.parametrize(
    "train, test, categories, message",
    [
        ([(1, [0], 1)], TEST, CATEGORIES, r"`train` must hold \(user, .*label\)\..* as tuple 0\."),
        ([(1, 0, 1, 1)], TEST, CATEGORIES, r"Received: \(1, 0, 1, 1\) as tuple 0\."),
        (TRAIN, [(1, [0], 2)], CATEGORIES, r"Received: 2 as the pair of tuple 0\."),
        (TRAIN, [(1, [0], (1, 2, 3))], CATEGORIES, r"Received: \(1, 2, 3\) as the pair"),
        ([(1, [5], 1, 1)], TEST, CATEGORIES, "histories must hold items from 0 to 4.* 0 to 5"),
        ([(1, [0], -1, 1)], TEST, CATEGORIES, "candidates must hold items from 0 to 4.* -1 to 4"),
        (
            [(1, [0], 1, 2)],
            TEST,
            CATEGORIES,
            r"must be 0 or 1 in every row\. Received: 2 in row 0\.",
        ),
        ([(1, ["a"], 1, 1)], TEST, CATEGORIES, "the histories must hold integer ids"),
        ([], [], CATEGORIES, "`train` and `test` must hold tuples. Received: none"),
        (TRAIN, TEST, [], "`categories` must hold a category for each item"),
        (TRAIN, TEST, [0, -1], r"ids from 0\. Received: -1 for item 1\."),
    ],
)
def test_invalid_tuples_raise(train, test, categories, message):
    with pytest.raises(ValueError, match=message):
        prepare_tuples(train, test, categories)


def test_dim_of_one_feature():
    data = prepare_tuples(TRAIN, TEST, CATEGORIES, dim={"item_id": 3})
    assert [feature.dim for feature in data.spec.target] == [3, 16]


def test_valid_must_leave_training_rows():
    with pytest.raises(ValueError, match=r"`valid` must leave rows for training: .* all 2 tuples"):
        prepare_tuples(TRAIN[-3:-1], TEST, CATEGORIES, valid=True)
