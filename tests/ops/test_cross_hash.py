"""Hashing of combinations: buckets against Python integers, padding, collisions."""

import keras
import numpy as np
import pytest

from keras_din.ops import cross_hash
from tests.ops.cross_hash_by_hand import by_hand, hashed


@pytest.mark.parametrize("buckets", [1, 2, 3, 1000, 2**20, 10**9])
def test_buckets_match_python_integers(buckets):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2**31, (3, 40)) >> rng.integers(0, 31, (3, 40))
    expected = [by_hand([int(v) for v in column], buckets) for column in values.T]
    out = hashed(values, buckets)
    assert out.dtype == np.int32
    np.testing.assert_array_equal(out, expected)
    assert all(value == 0 or 2 <= value < buckets + 2 for value in expected)


def test_order_matters_and_padding_is_zero():
    one, other = np.array([5, 6, 0]), np.array([6, 5, 4])
    there, back = hashed([one, other], 10**6), hashed([other, one], 10**6)
    assert (there[:2] != back[:2]).all()
    assert there[2] == back[2] == 0


@pytest.mark.parametrize("size", [0, 1, 2, 3])
def test_shapes_broadcast_in_a_functional_graph(size):
    rng = np.random.default_rng(0)
    arrays = [rng.integers(2, 9, shape).astype("int32") for shape in ((size, 3), (size, 1))]
    inputs = [keras.Input((None,), dtype="int32") for _ in arrays]
    model = keras.Model(inputs, cross_hash(inputs, 50))
    expected = [
        [by_hand([int(a), int(b[0])], 50) for a in row] for row, b in zip(*arrays, strict=True)
    ]
    np.testing.assert_array_equal(model(arrays), np.reshape(expected, (size, 3)))


@pytest.mark.parametrize("sizes", [(1000, 1000), (30_000, 30), (8, 60_000)])
def test_collisions_are_as_rare_as_random_ones(sizes):
    left, right = (np.arange(2, size + 2) for size in sizes)
    count, buckets = sizes[0] * sizes[1], 2**20
    out = hashed([left[:, None], right[None]], buckets)
    assert out.shape == sizes
    filled = len(np.unique(out))
    assert filled > 0.99 * buckets * (1 - (1 - 1 / buckets) ** count)
