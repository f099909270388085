"""Comparisons of candidates with behaviors, against a slow loop."""

import numpy as np
import pytest

from keras_din.ops import count_distinct, count_matches, smallest_of_matches

CANDIDATES = np.array([[2, 3], [0, 1], [4, 5]], "int32")
BEHAVIORS = np.array([[2, 0, 2, 3], [0, 1, 1, 4], [5, 4, 0, 5]], "int32")


def test_counts_by_hand():
    counts = count_matches(CANDIDATES, BEHAVIORS)
    assert counts.numpy().tolist() == [[2, 1], [0, 0], [1, 2]]
    assert counts.dtype == "int32"
    assert count_distinct(BEHAVIORS).numpy().tolist() == [2, 1, 2]


def test_smallest_value_by_hand():
    values = np.array([[7, 2, 5, 9], [2, 2, 2, 2], [8, 3, 2, 6]], "int32")
    found = smallest_of_matches(CANDIDATES, BEHAVIORS, values, 10)
    assert found.numpy().tolist() == [[5, 9], [10, 10], [3, 6]]
    assert found.dtype == "int32"


@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize("time", [0, 1, 30])
def test_random_rows_against_a_loop(dtype, time):
    rng = np.random.default_rng(time)
    candidates = rng.integers(-1, 8, (20, 3)).astype(dtype)
    behaviors = rng.integers(-1, 8, (20, time)).astype(dtype)
    values = rng.integers(2, 9, (20, time)).astype("int32")
    counts = np.asarray(count_matches(candidates, behaviors))
    smallest = np.asarray(smallest_of_matches(candidates, behaviors, values, 9))
    distinct = np.asarray(count_distinct(behaviors))
    for row in range(20):
        assert distinct[row] == len({index for index in behaviors[row] if index >= 2})
        for i, candidate in enumerate(candidates[row]):
            places = np.flatnonzero(behaviors[row] == candidate) if candidate >= 2 else []
            assert counts[row, i] == len(places)
            assert smallest[row, i] == min(values[row][places], default=9)
