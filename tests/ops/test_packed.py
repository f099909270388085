"""Packed histories: the TensorFlow form and the form of static shapes give the same numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_din.ops import packed_static, packed_tensorflow

FORMS = [packed_static, packed_tensorflow]


@pytest.mark.parametrize("form", FORMS)
def test_by_hand(form):
    mask = np.array([[False, True], [False, False], [True, True]])
    values = np.array([[[9.0], [1.0]], [[9.0], [9.0]], [[2.0], [5.0]]], "float32")
    rows = form.row_of_position(mask)
    packed = form.pack(values, mask)
    np.testing.assert_array_equal(form.sum_rows(packed, rows, 3), [[1], [0], [7]])
    highest = np.asarray(form.max_rows(packed, rows, 3))
    np.testing.assert_array_equal(highest[[0, 2]], [[1], [5]])
    taken = np.asarray(form.take_rows(np.array([[10.0], [20.0], [30.0]], "float32"), rows))
    real = np.asarray(rows) < 3
    np.testing.assert_array_equal(taken[real], [[10], [30], [30]])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(0, 6))
def test_both_forms_agree(seed, batch, time):
    rng = np.random.default_rng(seed)
    mask = rng.random((batch, time)) < 0.5
    values = rng.normal(size=(batch, time, 2)).astype("float32")
    sums, maxima = [], []
    for form in FORMS:
        rows = form.row_of_position(mask)
        packed = form.pack(values, mask)
        sums.append(form.sum_rows(packed, rows, batch))
        maxima.append(np.asarray(form.max_rows(packed, rows, batch))[mask.any(1)])
    np.testing.assert_allclose(*sums, atol=1e-6)
    np.testing.assert_array_equal(*maxima)
