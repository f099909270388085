"""Batches by user: every row once, users adjacent, seeded orders, resuming."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import keras_din as kd
from keras_din.data.pipeline.user_order import UserOrder
from tests.data.pipeline.shared import numpy_batches

ROW = kd.Numeric("row")
SPEC = kd.FeatureSpec(context=[ROW], target=[kd.Categorical("item", 9, dim=2)])


def samples_of(users, request=None):
    rows = np.arange(len(users), dtype="float32")
    columns = {"item": np.full(len(users), 3), "row": rows}
    return kd.data.Samples(columns, {}, np.arange(len(users)) % 2, users, request=request)


def rows_and_groups(data):
    batches = numpy_batches(data)
    return [(x["row"].astype(int).tolist(), x["_group"].tolist()) for x, *_ in batches]


@hypothesis.given(
    st.lists(st.integers(0, 6), min_size=1, max_size=40),
    st.integers(1, 9),
    st.booleans(),
    st.integers(0, 3),
)
@hypothesis.settings(max_examples=12)
def test_batches_by_user(users, batch_size, shuffle, seed):
    users = np.array(users)
    data = kd.data.dataset(
        SPEC, {}, samples_of(users), batch_size, shuffle=shuffle, seed=seed, batch_by="user"
    )
    for _ in range(2):
        batches = rows_and_groups(data)
        rows = [row for of_batch, _ in batches for row in of_batch]
        assert sorted(rows) == list(range(len(users)))
        assert [len(each) for each, _ in batches[:-1]] == [batch_size] * (len(batches) - 1)
        changes = np.flatnonzero(np.diff(users[rows])) + 1
        assert len(changes) + 1 == len(np.unique(users))  # Adjacent.
        for part in np.split(rows, changes):
            assert part.tolist() == sorted(part)  # In the order of the samples.
        for of_batch, groups in batches:
            same = users[of_batch][:, None] == users[of_batch]
            np.testing.assert_array_equal(same, np.equal.outer(groups, groups))
            assert groups[0] == 0
            assert max(groups) < len(groups)
    if shuffle:
        assert data.groups is None
    else:
        np.testing.assert_array_equal(data.groups, users[rows])


def epochs(count, skip=0, **options):
    users = np.random.default_rng(0).integers(0, 40, 200)
    data = kd.data.dataset(
        SPEC, {}, samples_of(users), 16, shuffle=True, batch_by="user", **options
    )
    return [rows_and_groups(data.skip(skip)) for _ in range(count)]


def test_order_depends_on_seed_and_epoch_alone():
    first, second = epochs(2, seed=3)
    assert first != second
    assert epochs(2, seed=3) == [first, second]
    assert epochs(1, seed=4) != [first]
    assert epochs(1, seed=3, first_epoch=1) == [second]
    assert epochs(1, seed=3, first_epoch=1, skip=5) == [second[5:]]


def test_users_are_shuffled_uniformly():
    order = UserOrder(np.repeat(np.arange(4), [1, 2, 3, 4]))
    first = np.array([order.epoch(0, epoch)[0] for epoch in range(400)])
    counts = [(first == row).sum() for row in (0, 1, 3, 6)]  # The first row of each user.
    assert sum(counts) == 400
    # With 3 degrees of freedom, 16.3 has probability 0.001.
    assert ((np.array(counts) - 100) ** 2 / 100).sum() < 16.3


def test_order_needs_four_bytes_per_row():
    order = UserOrder(np.repeat(np.arange(5), 3))
    assert order.rows is None
    assert order.epoch(0, 0).dtype == order.starts.dtype == order.sizes.dtype == np.int32
    assert UserOrder(np.array([1, 0])).rows.dtype == np.int32


@pytest.mark.parametrize("shuffle", [False, True])
def test_requests_of_a_user_are_adjacent(shuffle):
    request = np.array([0, 0, 1, 2, 2, 2, 3])
    users = np.array([5, 5, 7, 7, 7, 7, 5])
    samples = samples_of(users, request)
    samples.columns["row"][:] = request
    options = {"shuffle": shuffle, "by_request": True, "batch_by": "user"}
    data = kd.data.dataset(SPEC, {}, samples, 4, **options)
    (batch,) = rows_and_groups(data)
    assert batch in (([0, 3, 1, 2], [0, 0, 1, 1]), ([1, 2, 0, 3], [0, 0, 1, 1]))
    if not shuffle:
        assert data.groups.tolist() == [5, 5, 7, 7]


def test_wrong_batch_by():
    with pytest.raises(ValueError, match="`batch_by` must be one of"):
        kd.data.dataset(SPEC, {}, samples_of([0, 1]), batch_by="group")


def test_prepared_data_has_batches_by_user():
    data = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
    batches = data.dataset("train", 16, shuffle=True, batch_by="user")
    assert batches.negative_rate == 1.0
    assert batches.spec is data.spec
    x, _ = next(iter(batches))
    assert x["_group"].shape == (16,)
    assert "_group" not in next(iter(data.dataset("train", 16)))[0]


@pytest.mark.parametrize("users", [[-5, 3, -5, 2**62, 0, -(2**62)], [2, 1, 2, 1], [7, 7]])
def test_users_are_any_integers(users):
    order = UserOrder(np.array(users))
    expected = np.argsort(users, kind="stable")
    np.testing.assert_array_equal(np.arange(2) if order.rows is None else order.rows, expected)
