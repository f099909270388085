"""Curves: agreement with scikit-learn, what each method must recover, order, and errors."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from keras_din.calibration.curves import LEAST_SLOPE, METHODS, fit_curve
from keras_din.metrics import expected_calibration_error, logloss


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def rows_of(law, rows=4000, seed=0):
    """Returns logits, labels of the click rate `sigmoid(law(logits))`, and weights of 1."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=rows).astype("float32")
    return logits, (rng.random(rows) < sigmoid(law(logits))).astype(int), np.ones(rows)


def test_platt_is_the_regression_of_scikit_learn():
    x, y, w = rows_of(lambda x: 0.5 * x - 1)
    curve = fit_curve("platt", x, y, w)
    model = LogisticRegression(C=1e12, tol=1e-10).fit(x[:, None], y)
    np.testing.assert_allclose(curve(x), model.decision_function(x[:, None]), atol=1e-4)
    slope, intercept = np.diff(curve(np.array([0.0, 1.0])))[0], curve(np.zeros(1))[0]
    assert (slope, intercept) == (pytest.approx(0.5, abs=0.1), pytest.approx(-1, abs=0.1))


def test_isotonic_is_the_regression_of_scikit_learn():
    x, y, w = rows_of(lambda x: np.where(x > 0, 2 * x, 0.2 * x))
    curve = fit_curve("isotonic", x, y, w)
    expected = IsotonicRegression(out_of_bounds="clip").fit(x, y).predict(x)
    inside = (expected > 0.01) & (expected < 0.99)
    # A step has a small slope, so the difference is largest at its ends.
    assert np.abs(sigmoid(curve(x)) - expected)[inside].max() < 0.01
    # Each step has the click rate of its rows.
    for rate in np.unique(expected[inside]):
        step = expected == rate
        if step.sum() > 50:
            assert sigmoid(curve(x[step])).mean() == pytest.approx(rate, abs=1e-3)


def test_piecewise_linear_has_the_lowest_logloss():
    """Another parametrization and another optimizer find no better curve with these knots."""
    x, y, w = rows_of(lambda x: np.where(x > 0, 2 * x, 0.3 * x) - 1, rows=800)
    knots, values = fit_curve("piecewise_linear", x, y, w)
    assert len(knots) == 11
    np.testing.assert_allclose(knots[[0, 5, 10]], [x.min(), np.median(x), x.max()], atol=0.01)

    def loss(values):
        z = np.interp(x, knots, values)
        ends = np.logaddexp(0, -values[0]) / 2 + np.logaddexp(0, values[-1]) / 2
        return np.sum(np.logaddexp(0, z) - y * z) + ends

    least = LEAST_SLOPE * np.diff(knots)
    grows = {"type": "ineq", "fun": lambda values: np.diff(values) - least}
    found = minimize(loss, knots, method="SLSQP", constraints=[grows], options={"maxiter": 500})
    assert found.success
    assert loss(values) <= found.fun + 1e-3
    assert np.all(np.diff(values) >= least - 1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_curve_recovers_the_click_rate(method):
    law = lambda x: 0.6 * x - 2  # noqa: E731
    x, y, w = rows_of(law, rows=20_000)
    curve = fit_curve(method, x, y, w)
    fresh, labels, _ = rows_of(law, rows=20_000, seed=1)
    p = sigmoid(curve(fresh))
    assert expected_calibration_error(labels, p) < 0.012
    assert logloss(labels, p) == pytest.approx(logloss(labels, sigmoid(law(fresh))), abs=0.002)
    assert p.mean() / labels.mean() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("method", METHODS)
def test_curve_always_grows(method):
    """Also where the click rate falls, and beyond the rows."""
    x, y, w = rows_of(lambda x: np.sin(3 * x) + 0.2 * x - 1)
    curve = fit_curve(method, x, y, w)
    at = np.unique(np.concatenate([np.linspace(-50, 50, 2001), x.astype("float64")]))
    slopes = np.diff(curve(at)) / np.diff(at)
    assert slopes.min() > LEAST_SLOPE * 0.99


@pytest.mark.parametrize("method", METHODS)
def test_weights_are_repeated_rows(method):
    x, y, _ = rows_of(lambda x: x, rows=300)
    times = np.random.default_rng(3).integers(1, 4, size=300)
    weighted = fit_curve(method, x, y, times)
    repeated = fit_curve(method, np.repeat(x, times), np.repeat(y, times), np.ones(times.sum()))
    at = np.linspace(-2, 2, 50)
    np.testing.assert_allclose(weighted(at), repeated(at), atol=0.02)


@pytest.mark.parametrize("method", METHODS)
def test_a_model_with_one_score_gets_the_click_rate(method):
    curve = fit_curve(method, np.full(8, -3.0), [1, 0, 0, 0, 1, 0, 0, 0], np.ones(8))
    assert sigmoid(curve(np.array([-3.0])))[0] == pytest.approx(0.25)


@pytest.mark.parametrize("method", ["isotonic", "piecewise_linear"])
def test_parts_without_clicks_have_finite_logits(method):
    x = np.arange(40.0)
    curve = fit_curve(method, x, (x >= 20).astype(int), np.ones(40))
    p = sigmoid(curve(x))
    assert np.isfinite(curve.values).all()
    assert p[:16].max() < 0.1
    assert p[24:].min() > 0.9
    assert 0.001 < p.min() < p.max() < 0.999


def test_platt_refuses_classes_that_do_not_overlap():
    x = np.arange(10.0)
    with pytest.raises(ValueError, match=r"must overlap for method='platt'.*clicks from 5"):
        fit_curve("platt", x, (x >= 5).astype(int), np.ones(10))


def test_platt_of_a_useless_model_warns_and_has_the_click_rate():
    x, y, w = rows_of(lambda x: -x - 1)
    with pytest.warns(UserWarning, match="the scores of the model do not rank"):
        curve = fit_curve("platt", x, y, w)
    assert np.diff(curve.values)[0] == pytest.approx(LEAST_SLOPE)
    assert sigmoid(curve(x)).mean() == pytest.approx(y.mean(), abs=1e-6)
    with pytest.warns(UserWarning, match="the scores of the model do not rank"):
        fit_curve("platt", np.arange(10.0), np.arange(10) < 5, np.ones(10))
