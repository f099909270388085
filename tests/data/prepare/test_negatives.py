"""Negatives are uniform, seeded, and never met by the user."""

import numpy as np
import pytest

from keras_din.data import sample_negatives
from keras_din.data.prepare.user_draws import _mix, draws_of_users


def test_negatives_are_not_in_the_list_of_the_user():
    rng = np.random.default_rng(0)
    seen_user = rng.integers(50, size=4000)
    seen_item = rng.integers(100, size=4000)
    user = rng.integers(50, size=20_000)
    negatives = sample_negatives(user, 100, seen_user, seen_item, rng, per_positive=3)
    assert negatives.shape == (20_000, 3)
    assert negatives.dtype == np.int64
    assert negatives.min() >= 0
    assert negatives.max() < 100
    met = set(zip(seen_user.tolist(), seen_item.tolist(), strict=True))
    drawn = set(zip(np.repeat(user, 3).tolist(), negatives.ravel().tolist(), strict=True))
    assert not met & drawn


def test_outputs_of_the_generator_are_those_of_splitmix64():
    """The first outputs from the state 1234567, see https://rosettacode.org/wiki/Pseudo-random_numbers/Splitmix64."""
    steps = np.arange(1, 6, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    assert _mix(np.uint64(1234567) + steps).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_draws_of_users_are_uniform():
    """Over the positions of a user, over users, over rounds and over seeds."""
    rows, hashes = 60_000, np.random.default_rng(0).integers(2**63, size=60_000).astype(np.uint64)
    number, zeros = np.arange(rows), np.zeros(rows, int)
    draws = {
        "positions": draws_of_users(3, hashes[:1].repeat(rows), number, 1)(number, 0),
        "users": draws_of_users(3, hashes, zeros, 1)(number, 0),
        "close hashes": draws_of_users(3, number.astype(np.uint64), zeros, 1)(number, 0),
        "draws of a row": draws_of_users(3, hashes[:1], zeros[:1], rows)(number, 0),
    }
    of_user = draws_of_users(3, hashes[:1], zeros[:1], 1)
    draws["rounds"] = np.concatenate([of_user(zeros[:1], i) for i in range(2_000)])
    draws["seeds"] = np.concatenate(
        [draws_of_users([i, 0], hashes[:1], zeros[:1], 1)(zeros[:1], 0) for i in range(2_000)]
    )
    for name, found in draws.items():
        assert found.min() >= 0
        assert found.max() < 1
        # With 99 degrees of freedom, it exceeds 148.2 with probability 0.001.
        counts = np.bincount((found * 100).astype(int), minlength=100)
        assert chi_square(counts, len(found) / 100) < 148.2, name
        assert abs(np.corrcoef(found[1:], found[:-1])[0, 1]) < 4 / len(found) ** 0.5, name


def chi_square(counts, expected):
    return ((counts - expected) ** 2 / expected).sum()


def test_uniform_over_remaining_items():
    rows = 90_000
    drawn = sample_negatives(np.zeros(rows, int), 10, [0], [3], np.random.default_rng(1))
    counts = np.bincount(drawn.ravel(), minlength=10)
    assert counts[3] == 0
    # With 8 degrees of freedom, it exceeds 26.1 with probability 0.001.
    assert chi_square(np.delete(counts, 3), rows / 9) < 26.1


def test_by_popularity():
    rows = 60_000
    drawn = sample_negatives(
        np.zeros(rows, int), 4, [0], [3], np.random.default_rng(1), popularity=[1, 0, 3, 100]
    )
    counts = np.bincount(drawn.ravel(), minlength=4)
    assert counts[1] == counts[3] == 0
    # With 1 degree of freedom, it exceeds 10.8 with probability 0.001.
    assert chi_square(counts[[0, 2]], rows * np.array([0.25, 0.75])) < 10.8


def test_seeded():
    draw = lambda seed: sample_negatives(  # noqa: E731
        np.arange(500), 1000, [0], [0], np.random.default_rng(seed)
    )
    np.testing.assert_array_equal(draw(5), draw(5))
    assert (draw(5) != draw(6)).any()


def test_user_without_a_list():
    rng = np.random.default_rng(0)
    assert sample_negatives([9], 3, [0], [0], rng).shape == (1, 1)
    assert sample_negatives([9], 3, [], [], rng).shape == (1, 1)
    assert sample_negatives([], 3, [0], [0], rng).shape == (0, 1)


def test_only_one_item_left():
    drawn = sample_negatives([4] * 20, 5, [4] * 5, [0, 1, 3, 4, 4], np.random.default_rng(0))
    assert set(drawn.ravel()) == {2}


def test_only_the_last_of_many_items_left():
    """The check that drawing ends looks at a few items at a time."""
    met = np.arange(199)
    drawn = sample_negatives([4] * 20, 200, [4] * 199, met, np.random.default_rng(0))
    assert set(drawn.ravel()) == {199}
    popularity = [0, *[1] * 198, 1e-3]
    with pytest.raises(ValueError, match=r"1 user who met all 199 items .* them user 3"):
        sample_negatives(
            [4, 3], 200, [3] * 199, met + 1, np.random.default_rng(0), popularity=popularity
        )


def test_user_who_met_all_items_raises():
    rng = np.random.default_rng(0)
    message = "Received: 1 user who met all 2 items that can be drawn, the first of them user 4"
    with pytest.raises(ValueError, match=message):
        sample_negatives([1, 4, 4], 2, [4, 4], [0, 1], rng)
    with pytest.raises(ValueError, match=r"met all 1 item that can be drawn"):
        sample_negatives([4], 2, [4], [0], rng, popularity=[1, 0])
    with pytest.raises(ValueError, match=r"met all 0 items that can be drawn"):
        sample_negatives([4], 2, [], [], rng, popularity=[0, 0])


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"items": 0}, "`items` must be a positive integer"),
        ({"per_positive": 0}, "`per_positive` must be a positive integer"),
        ({"seen_item": [0, 1]}, "must have one length. Received: 1 and 2"),
        ({"seen_item": [5]}, "`seen_item` must hold items from 0 to 4. Received: 5 to 5"),
        (
            {"popularity": [1, 2]},
            r"`popularity` must hold 5 finite non-negative weights.*Received: shape \(2,\)",
        ),
        ({"popularity": [1, 2, 3, 4, -1]}, "finite non-negative weights"),
        ({"user": [0.5]}, "`user` must be a vector of integers"),
    ],
)
def test_invalid_arguments_raise(changes, message):
    arguments = {"user": [0], "items": 5, "seen_user": [0], "seen_item": [0]} | changes
    with pytest.raises(ValueError, match=message):
        sample_negatives(**arguments, rng=np.random.default_rng(0))
