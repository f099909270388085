"""Curves per value: shrinkage by hand, rare values, and the gain over one curve."""

import numpy as np
import pytest

from keras_din.calibration.by_value import apply_by_value, default_shrinkage, fit_by_value
from keras_din.calibration.curves import METHODS, fit_curve
from keras_din.metrics import calibration_by_value


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def log_of(offsets, rows, seed=0):
    """Returns logits, labels, weights and index; value `i` has `rows[i]` and its offset."""
    rng = np.random.default_rng(seed)
    index = np.repeat(np.arange(len(rows)), rows)
    logits = rng.normal(size=len(index))
    rate = sigmoid(logits - 1.5 + np.array(offsets)[index])
    return logits, (rng.random(len(index)) < rate).astype(int), np.ones(len(index)), index


def test_shrinkage_by_hand():
    """A model with one score, and 30 rows of a value with 15 clicks: (15 + .1 k) / (30 + k)."""
    logits, weights = np.full(1030, -1.0), np.ones(1030)
    labels = np.concatenate([np.arange(1000) % 100 < 10 - 1e-9, np.arange(30) % 2]).astype(int)
    index = np.repeat([2, 7], [1000, 30])
    curves, indices = fit_by_value("isotonic", logits, labels, weights, index, shrinkage=60)
    assert indices == [2, 7]
    rate = labels.mean()
    found = sigmoid(np.array([curve(np.array([-1.0]))[0] for curve in curves]))
    np.testing.assert_allclose(
        found, [rate, (100 + 60 * rate) / 1060, (15 + 60 * rate) / 90], rtol=1e-6
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_rare_value_has_nearly_the_curve_of_all(method):
    logits, labels, weights, index = log_of([0, 0, 2], [5000, 5000, 3])
    labels[-3:] = 1  # One class.
    shrinkage = default_shrinkage(labels)
    curves, _ = fit_by_value(method, logits, labels, weights, index, shrinkage)
    every, rare = (sigmoid(curve(logits)) for curve in (curves[0], curves[3]))
    assert np.abs(rare / every - 1).mean() < 0.1
    assert rare.mean() > every.mean()


def test_default_shrinkage_has_100_clicks():
    assert default_shrinkage([1, 0, 0, 0]) == 400
    assert default_shrinkage([1, 1, 1, 0]) == 400


@pytest.mark.parametrize("method", METHODS)
def test_each_value_is_calibrated(method):
    offsets, rows = [-1, 0, 1], [6000, 6000, 6000]
    logits, labels, weights, index = log_of(offsets, rows)
    curves, indices = fit_by_value(method, logits, labels, weights, index, 500)
    fresh, clicks, _, values = log_of(offsets, rows, seed=1)
    p = sigmoid(apply_by_value(curves, indices, fresh, values))
    table = calibration_by_value(clicks, p, values)
    np.testing.assert_allclose(table.calibration, 1, atol=0.1)
    of_all = calibration_by_value(clicks, sigmoid(curves[0](fresh)), values)
    assert of_all.calibration[0] > 1.4
    assert of_all.calibration[2] < 0.75
    # A value that calibration has not seen.
    unseen = apply_by_value(curves, indices, fresh, np.full(len(fresh), 9))
    np.testing.assert_array_equal(unseen, fit_curve(method, logits, labels, weights)(fresh))
