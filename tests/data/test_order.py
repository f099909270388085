"""Sorting by digits gives what NumPy's own sorts give."""

import numpy as np
import pytest

from keras_din.data.order import order_of, order_of_events


@pytest.mark.parametrize("highest", [1, 3, 2**16, 2**16 + 1, 2**40])
@pytest.mark.parametrize("rows", [0, 1, 2000])
def test_the_order_is_that_of_a_stable_sort(highest, rows):
    rng = np.random.default_rng(0)
    codes = rng.integers(highest, size=rows)
    before = codes.copy()
    np.testing.assert_array_equal(order_of(codes), np.argsort(codes, kind="stable"))
    np.testing.assert_array_equal(codes, before)
    times = rng.integers(-5, 5, size=rows)
    order = order_of_events(times, codes)
    np.testing.assert_array_equal(order, np.lexsort((times, codes)))
    # What is in order stays as it is.
    again = order_of_events(times[order], codes[order])
    np.testing.assert_array_equal(again, np.arange(rows))
