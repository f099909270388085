"""Sorting by digits equals NumPy's sort."""

import numpy as np
import pytest

from keras_din.data.store.order import argsort_events, number_requests, ranges, stable_argsort


@pytest.mark.parametrize("highest", [1, 3, 2**16, 2**16 + 1, 2**40])
@pytest.mark.parametrize("rows", [0, 1, 2000])
def test_order_equals_a_stable_sort(highest, rows):
    rng = np.random.default_rng(0)
    codes = rng.integers(highest, size=rows)
    before = codes.copy()
    np.testing.assert_array_equal(stable_argsort(codes), np.argsort(codes, kind="stable"))
    np.testing.assert_array_equal(codes, before)
    times = rng.integers(-5, 5, size=rows)
    order = argsort_events(times, codes)
    np.testing.assert_array_equal(order, np.lexsort((times, codes)))
    # Sorted rows are not moved.
    again = argsort_events(times[order], codes[order])
    np.testing.assert_array_equal(again, np.arange(rows))
    # Rows in the order of time, with ties.
    times = np.arange(rows) // 3
    np.testing.assert_array_equal(argsort_events(times, codes), np.lexsort((times, codes)))


def test_concatenated_ranges():
    found = ranges(np.array([7, 0, 3]), np.array([2, 0, 3]))
    assert found.tolist() == [7, 8, 3, 4, 5]
    assert ranges(np.zeros(0, int), np.zeros(0, int)).tolist() == []


def test_requests_have_their_earliest_time():
    """Users 0 and 1 have requests of equal number. A row without a number is its own request."""
    user, code = np.array([0, 1, 0, 0, 0, 1]), np.array([5, 5, 5, -1, -1, 0])
    number, time = number_requests(user, code, np.array([30, 9, 20, 50, 40, 60]))
    assert number.tolist() == [0, 4, 0, 1, 2, 3]
    assert time.tolist() == [20, 9, 20, 50, 40, 60]
