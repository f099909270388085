"""Losses that rank: groups, weights, padding, gradients, precision and arguments."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.click_rates import click_rates
from keras_din.logits import attach_logits
from keras_din.losses.grouping import grouping
from tests.losses.ranking_loops import LOSSES, ranking

every_loss = pytest.mark.parametrize("name", LOSSES)


def of(name, **arguments):
    """A loss without crossentropy."""
    return LOSSES[name](**{"crossentropy": 0.0, **arguments})


def a_batch(rows=12, candidates=5, seed=0):
    """Labels, logits, weights `(rows, candidates)`, and groups `(rows,)` that are not adjacent."""
    rng = np.random.default_rng(seed)
    shape = (rows, candidates)
    y = (rng.random(shape) < 0.3).astype("float32")
    weights = rng.choice([0, 0.5, 1, 2], shape).astype("float32")
    return y, rng.normal(0, 2, shape).astype("float32"), weights, rng.integers(0, 4, rows) * 10**12


def value(loss, y, s, w=None, groups=None):
    """The loss of logits, and its gradient."""
    s = tf.convert_to_tensor(s)
    with tf.GradientTape() as tape:
        tape.watch(s)
        p = attach_logits(tf.sigmoid(s), s)
        if groups is None:
            found = loss(y, p, w)
        else:
            with grouping({"_group": groups}, p):
                found = loss(y, p, w)
    return float(found), tape.gradient(found, s).numpy()


@every_loss
def test_rows_are_groups(name):
    y, s, w, _ = a_batch()
    rows = np.repeat(np.arange(12), 5)
    expected = ranking(name, y.ravel(), s.ravel(), w.ravel(), rows)
    assert expected > 0.1
    assert value(of(name), y, s, w)[0] == pytest.approx(expected, rel=1e-5)
    ones = np.ones_like(w)
    expected = ranking(name, y.ravel(), s.ravel(), ones.ravel(), rows)
    assert value(of(name), y, s)[0] == pytest.approx(expected, rel=1e-5)


@every_loss
@pytest.mark.parametrize("candidates", [1, 3])
def test_rows_of_one_group_are_compared_in_any_order(name, candidates):
    y, s, w, groups = a_batch(30, candidates)
    expected = ranking(name, y.ravel(), s.ravel(), w.ravel(), np.repeat(groups, candidates))
    found, gradient = value(of(name), y, s, w, groups)
    assert found == pytest.approx(expected, rel=1e-5)
    order = np.random.default_rng(1).permutation(30)
    again, moved = value(of(name), y[order], s[order], w[order], groups[order])
    assert again == pytest.approx(found, rel=1e-6)
    np.testing.assert_allclose(moved, gradient[order], atol=1e-7)


@every_loss
def test_weight_per_row(name):
    y, s, w, groups = a_batch(30, 1)
    expected = value(of(name), y, s, w, groups)[0]
    assert value(of(name), y, s, w[:, 0], groups)[0] == expected


@every_loss
def test_gradient_equals_finite_differences(name):
    y, s, w, groups = a_batch(8, 2)
    _, gradient = value(of(name), y, s, w, groups)
    flat = [a.ravel().astype("float64") for a in (y, s, w)]
    for i in range(s.size):
        step = np.zeros(s.size)
        step[i] = 1e-4
        above, below = (
            ranking(name, flat[0], flat[1] + sign * step, flat[2], np.repeat(groups, 2))
            for sign in (1, -1)
        )
        assert gradient.ravel()[i] == pytest.approx((above - below) / 2e-4, abs=1e-5)


@every_loss
def test_padding_changes_nothing(name):
    y, s, w, groups = a_batch()
    found, gradient = value(of(name), y, s, w, groups)
    # Labels, logits and groups of padding may have any value.
    wide = [np.pad(a, ((0, 2), (0, 3)), constant_values=c) for a, c in ((y, 1), (s, -1e9), (w, 0))]
    wide[0][:12, 5:] = np.nan
    found_wide, gradient_wide = value(of(name), *wide, np.append(groups, [groups[0], 77]))
    assert found_wide == pytest.approx(found, rel=1e-6)
    np.testing.assert_allclose(gradient_wide[:12, :5], gradient, atol=1e-7)
    gradient_wide[:12, :5] = 0
    assert not gradient_wide.any()


@every_loss
def test_groups_of_one_class_weigh_nothing(name):
    y = np.array([[1, 0, 0], [0, 0, 0], [1, 1, 1]], "float32")
    s = np.array([[1, 2, -1], [3, 0, 1], [-2, 1, 0]], "float32")
    found, gradient = value(of(name), y, s)
    alone, gradient_alone = value(of(name), y[:1], s[:1])
    assert found == pytest.approx(alone, rel=1e-6)
    np.testing.assert_allclose(gradient, np.pad(gradient_alone, ((0, 2), (0, 0))), atol=1e-7)
    # A positive whose only negative is padding.
    found, gradient = value(of(name), y, s, np.array([[1, 0, 0], [1, 1, 1], [1, 1, 1]], "float32"))
    assert found == 0
    assert not gradient.any()


@every_loss
@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("weight", [0, 1])
def test_batches_of_one_class_have_no_loss(name, label, weight):
    s = np.array([[40.0, -40.0, 3.0]], "float32")
    y, w = np.full_like(s, label), np.full_like(s, weight)
    found, gradient = value(of(name), y, s, w)
    assert found == 0
    np.testing.assert_array_equal(gradient, np.zeros_like(s))


@every_loss
def test_weight_two_counts_twice(name):
    y, s, _, groups = a_batch(20, 1)
    w = np.random.default_rng(3).integers(0, 3, (20, 1)).astype("float32")
    rows = np.repeat(np.arange(20), w[:, 0].astype(int))
    copies = value(of(name), y[rows], s[rows], None, groups[rows])[0]
    assert value(of(name), y, s, w, groups)[0] == pytest.approx(copies, rel=1e-5)


@every_loss
def test_a_constant_per_group_changes_nothing(name):
    y, s, w, groups = a_batch(20, 1)
    found = value(of(name), y, s, w, groups)[0]
    shift = (groups % 7).astype("float32")[:, None]
    assert value(of(name), y, s + shift, w, groups)[0] == pytest.approx(found, rel=1e-5)


@every_loss
@pytest.mark.parametrize("size", [1e3, 1e8])
def test_extreme_logits_are_finite(name, size):
    y = np.array([[1, 0, 0]], "float32")
    best, worst = np.array([[size, 0, -size]], "float32"), np.array([[-size, size, 0]], "float32")
    found, gradient = value(of(name), y, best)
    assert 0 <= found < size
    assert np.isfinite(gradient).all()
    found, gradient = value(of(name), y, worst)
    assert size / 4 < found < 3 * size
    assert np.isfinite(gradient).all()
    assert gradient[0, 0] < -0.1


@every_loss
def test_probabilities_without_logits(name):
    y, s, w, _ = a_batch()
    s = np.clip(s, -5, 5)
    expected = value(of(name), y, s, w)[0]
    assert float(of(name)(y, tf.sigmoid(s), w)) == pytest.approx(expected, rel=1e-4)
    certain = np.array([[0.0, 1.0, 0.5]], "float32")
    assert np.isfinite(float(of(name)(np.array([[1, 0, 0]]), certain)))


@every_loss
def test_crossentropy_is_added_with_its_weight(name):
    y, s, w, _ = a_batch()
    rank, plain = value(of(name), y, s, w)[0], kd.losses.BinaryCrossentropy(3.0)
    crossentropy = value(plain, y, s, w)[0]
    loss = LOSSES[name](0.25, crossentropy=2.0, positive_weight=3.0)
    assert value(loss, y, s, w)[0] == pytest.approx(0.25 * rank + 2 * crossentropy, rel=1e-5)


@every_loss
@pytest.mark.parametrize("policy", ["mixed_float16", "bfloat16"])
def test_loss_is_float32_with_half_precision(name, policy):
    y, s, w, groups = a_batch(300, 1)
    expected = value(of(name), y, s, w, groups)[0]
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        half = tf.cast(s, policy.removeprefix("mixed_"))
        p = attach_logits(tf.sigmoid(half), half)
        with grouping({"_group": groups}, p):
            loss = of(name)(y, p, w)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert loss.dtype == "float32"
    assert float(loss) == pytest.approx(expected, rel=0.02)


@every_loss
def test_config_round_trip(name):
    loss = LOSSES[name](0.5, crossentropy=2.0, positive_weight=3.0, negative_rate=0.1)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is LOSSES[name]
    assert again.get_config() == loss.get_config()
    assert loss.get_config() == {
        "weight": 0.5,
        "crossentropy": 2.0,
        "positive_weight": 3.0,
        "negative_rate": 0.1,
        "name": name,
    }


@every_loss
def test_click_rates_have_the_rates_of_the_loss(name):
    model = kd.build_lr(kd.FeatureSpec(target=[kd.Categorical("item", 9)]))
    loss = LOSSES[name](crossentropy=1.0, positive_weight=3.0, negative_rate=0.1)
    model.compile("sgd", loss)
    rates = click_rates(model).of_outputs["ctr"]
    assert (rates.positive_weight, rates.negative_rate) == (3.0, 0.1)


@every_loss
def test_a_ranking_loss_alone_gives_no_click_rates(name):
    model = kd.build_lr(kd.FeatureSpec(target=[kd.Categorical("item", 9)]))
    model.compile("sgd", of(name, negative_rate=0.1))
    rates = click_rates(model)
    assert rates.undoes_nothing
    assert not rates.is_assumed
    expected = "a score that orders candidates, and no click rate"
    assert rates.describe() == f"ctr: {expected}, since the loss has no crossentropy"
    assert rates.to_json()["ctr"]["is"] == expected
    assert click_rates(model, positive_weight=2.0).of_outputs["ctr"].factor == 20


def test_arguments_are_checked():
    with pytest.raises(ValueError, match=r"`weight` must be a positive number. Received"):
        kd.losses.ListwiseSoftmax(0)
    with pytest.raises(ValueError, match="`crossentropy` must be"):
        kd.losses.JRC(crossentropy=-1)
    with pytest.raises(ValueError, match="`positive_weight` must be 1 without crossentropy"):
        kd.losses.PairwiseLogistic(positive_weight=2.0)


@every_loss
def test_one_candidate_per_row_requires_groups(name):
    with pytest.raises(ValueError, match=f"The loss '{name}' compares the candidates of a group"):
        of(name)(np.ones((3, 1)), np.full((3, 1), 0.5, "float32"))
