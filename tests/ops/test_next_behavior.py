"""Samples of the next behavior and a negative."""

import numpy as np

from keras_din.ops.next_behavior import sample_next_and_negative
from keras_din.ops.packed import gather_positions
from keras_din.trace_context import FORMS, tracing


def test_next_and_negative_of_a_small_batch():
    # Positions 0 1 2 of row 0, 3 of row 1, 4 5 of row 3.
    rows = np.array([0, 0, 0, 1, 3, 3], "int32")
    random = np.array([0, 0.2, 0.99, 0.5, 0.999999, 0.7], "float32")
    following, negative, has_next = sample_next_and_negative(rows, 4, random)
    np.testing.assert_array_equal(has_next, [True, True, False, False, True, False])
    np.testing.assert_array_equal(following, [1, 2, 3, 4, 5, 0])
    # The position after the next one, plus floor(5 random), modulo the number of positions.
    np.testing.assert_array_equal(negative, [2, 4, 2, 1, 4, 4])


def test_padding_is_never_next_or_negative():
    """The static form gives the same samples, with padding between them."""
    rows = np.array([4, 0, 0, 4, 0, 1, 4, 3, 4, 3, 4], "int32")
    places = np.flatnonzero(rows < 4)
    random = np.zeros(11, "float32")
    random[places] = [0, 0.2, 0.99, 0.5, 0.999999, 0.7]
    with tracing(form="static"):
        following, negative, has_next = map(np.asarray, sample_next_and_negative(rows, 4, random))
    assert not has_next[rows == 4].any()
    np.testing.assert_array_equal(has_next[places], [True, True, False, False, True, False])
    np.testing.assert_array_equal(following[places], places[[1, 2, 3, 4, 5, 0]])
    np.testing.assert_array_equal(negative[places], places[[2, 4, 2, 1, 4, 4]])


def test_negative_is_uniform_and_never_the_next():
    positions = 5
    random = np.random.default_rng(0).random(120).astype("float32")
    negatives = [
        np.asarray(
            sample_next_and_negative(np.zeros(positions, "int32"), 1, np.full(positions, r))
        )[1][0]
        for r in random
    ]
    counts = np.bincount(np.array(negatives, int), minlength=positions)
    assert counts[1] == 0  # The next of position 0.
    assert counts[[0, 2, 3, 4]].min() > 120 / 4 * 0.5


def test_without_a_second_position_nothing_is_next():
    for rows in (np.zeros(0, "int32"), np.zeros(1, "int32")):
        following, negative, has_next = sample_next_and_negative(
            rows, 2, np.zeros(len(rows), "float32")
        )
        assert not np.asarray(has_next).any()
        assert following.shape == negative.shape == rows.shape


def test_gather_positions_in_every_form():
    values, places = np.arange(6.0).reshape(3, 2), np.array([2, 0, 2])
    for form in FORMS:
        with tracing(form=form):
            np.testing.assert_array_equal(gather_positions(values, places), values[places])
