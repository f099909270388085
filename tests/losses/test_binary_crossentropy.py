"""BinaryCrossentropy: weights, padding, logits and precision."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_din.checks import fraction
from keras_din.head import probability
from keras_din.losses import BinaryCrossentropy
from keras_din.metrics import calibration, recalibrate

Y = np.array([[1, 0, 0], [1, 1, 0]], "float32")
P = np.array([[0.8, 0.3, 0.5], [0.4, 0.9, 0.2]], "float32")
EACH = -np.log([[0.8, 0.7, 0.5], [0.4, 0.9, 0.8]])


def model_of(units=3):
    inputs = keras.Input((None,), name="x")
    outputs = keras.layers.Dense(1, activation="sigmoid", kernel_initializer="ones")(
        keras.ops.expand_dims(inputs, -1)
    )
    return keras.Model(inputs, keras.ops.squeeze(outputs, -1))


def test_loss_is_mean_over_candidates():
    expected = -sum(map(math.log, (0.8, 0.7, 0.5, 0.4, 0.9, 0.8))) / 6
    assert float(BinaryCrossentropy()(Y, P)) == pytest.approx(expected, rel=1e-6)
    assert float(keras.losses.BinaryCrossentropy()(Y, P)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    "weight",
    [
        [[1, 1, 0], [1, 1, 1]],
        [[0, 0, 0], [0, 0, 1]],
        [[0.5, 2, 3], [0, 1, 0.25]],
        [[2], [0.5]],
    ],
)
def test_loss_is_weighted_mean(weight):
    weight = np.array(weight, "float32")
    full = np.broadcast_to(weight, Y.shape)
    expected = (full * EACH).sum() / full.sum()
    assert float(BinaryCrossentropy()(Y, P, weight)) == pytest.approx(expected, rel=1e-6)


def test_one_weight_per_row():
    expected = (2 * EACH[0].sum() + 0.5 * EACH[1].sum()) / (3 * 2.5)
    assert float(BinaryCrossentropy()(Y, P, np.array([2, 0.5]))) == pytest.approx(expected, 1e-6)


@pytest.mark.parametrize("weight", [None, [[0.5, 2, 3], [0, 1, 0.25]]])
def test_positive_weight_multiplies_loss_of_positives(weight):
    """The weight of positives does not change the divisor."""
    full = np.ones_like(Y) if weight is None else np.array(weight, "float32")
    expected = (full * np.where(Y == 1, 10, 1) * EACH).sum() / full.sum()
    assert float(BinaryCrossentropy(10)(Y, P, weight)) == pytest.approx(expected, rel=1e-6)


def test_positive_weight_multiplies_optimal_odds():
    """2 clicks in 10 rows have odds 1 / 4; with weight 3 the optimal odds are 3 / 4."""
    y = np.array([[1, 1, 0, 0, 0, 0, 0, 0, 0, 0]], "float32")
    for weight, best in ((1, 1 / 5), (3, 3 / 7)):
        p = tf.fill(y.shape, best)
        with tf.GradientTape() as tape:
            tape.watch(p)
            loss = BinaryCrossentropy(weight)(y, p)
        assert float(tf.reduce_sum(tape.gradient(loss, p))) == pytest.approx(0, abs=1e-5)
        assert recalibrate(best, weight) == pytest.approx(1 / 5)


@pytest.mark.parametrize("weight", [0, -1, True, "3", float("nan"), float("inf")])
def test_positive_weight_must_be_positive(weight):
    with pytest.raises(ValueError, match=r"`positive_weight` must be a positive number. Received"):
        BinaryCrossentropy(weight)


@pytest.mark.parametrize("number", [np.int64(3), np.float32(3)])
def test_numpy_numbers_are_accepted(number):
    assert BinaryCrossentropy(positive_weight=number).positive_weight == 3
    assert recalibrate(0.5, number) == pytest.approx(0.25)
    assert fraction("dropout", np.float32(0.25)) == 0.25
    for wrong in (np.bool_(True), "3", None, np.array([3.0])):
        with pytest.raises(ValueError, match="`positive_weight` must be a positive number"):
            BinaryCrossentropy(positive_weight=wrong)


def test_model_with_positive_weight_is_recalibrated():
    """A planted log of 3 % clicks."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, 2)).astype("float32")
    y = (rng.random(x.shape) < 1 / (1 + np.exp(4 - x))).astype("float32")
    model = model_of()
    model.compile(keras.optimizers.Adam(0.05), BinaryCrossentropy(positive_weight=20))
    model.fit(x, y, batch_size=1000, epochs=6, verbose=0)
    found = keras.Model(model.inputs, recalibrate(model.output, 20))
    raw, p = (m.predict_on_batch(x) for m in (model, found))
    assert calibration(y.ravel(), raw.ravel()) > 5
    assert calibration(y.ravel(), p.ravel()) == pytest.approx(1, abs=0.05)
    np.testing.assert_allclose(p, recalibrate(raw, 20), rtol=1e-5)
    np.testing.assert_allclose(p, 1 / (1 + np.exp(4 - x)), rtol=0.3, atol=0.01)


def test_zero_weights_give_zero_loss_and_gradient():
    p = tf.constant(P)
    with tf.GradientTape() as tape:
        tape.watch(p)
        loss = BinaryCrossentropy()(Y, p, np.zeros_like(Y))
    assert float(loss) == 0
    np.testing.assert_array_equal(tape.gradient(loss, p), np.zeros_like(Y))


def test_padding_does_not_affect_loss_and_gradient():
    def loss_and_gradient(x, y, weight):
        model = model_of()
        with tf.GradientTape() as tape:
            loss = BinaryCrossentropy()(y, model(x), weight)
        gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
        return np.array([float(loss), *(np.ravel(g)[0] for g in gradients)])

    x = np.array([[2, -1, 0.5], [0, 1, -2]], "float32")
    plain = loss_and_gradient(x, Y, None)
    wide = [np.pad(a, ((0, 0), (0, 4))) for a in (x, Y, np.ones_like(Y))]
    np.testing.assert_allclose(loss_and_gradient(*wide), plain, rtol=1e-6)
    tall = [np.pad(a, ((0, 3), (0, 0))) for a in (x, Y, np.ones_like(Y))]
    np.testing.assert_allclose(loss_and_gradient(*tall), plain, rtol=1e-6)
    # Counter-check: without the weights both change.
    x, y, _ = wide
    assert (np.abs(loss_and_gradient(x, y, None) - plain) > 0.01).all()


def test_padding_with_probability_zero_is_finite():
    p = tf.constant([[0.8, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(p)
        loss = BinaryCrossentropy()([[1.0, 0.0]], p, [[1.0, 0.0]])
    assert float(loss) == pytest.approx(-math.log(0.8), rel=1e-6)
    np.testing.assert_allclose(tape.gradient(loss, p), [[-1 / 0.8, 0]], rtol=1e-6)


@pytest.mark.parametrize("candidates", [(3, 3), (2, 5)])
def test_fit_with_padded_candidates(candidates):
    first, second = candidates
    x, y = np.array([[2, -1], [0, 1]], "float32"), np.array([[1, 0], [0, 0]], "float32")

    def padded(width):
        arrays = (x, y, np.ones_like(y))
        return tuple(np.pad(a, ((0, 0), (0, width - 2))) for a in arrays)

    spec = (tf.TensorSpec((None, None)),) * 3
    batches = tf.data.Dataset.from_generator(
        lambda: map(padded, (first, second)), output_signature=spec
    )
    model = model_of()
    model.compile(keras.optimizers.SGD(0.0), BinaryCrossentropy(), steps_per_execution=2)
    history = model.fit(batches, verbose=0, shuffle=False, steps_per_epoch=2).history
    p = 1 / (1 + np.exp(-x))
    expected = -np.log(np.where(y == 1, p, 1 - p)).mean()
    assert history["loss"][0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "bfloat16"])
def test_loss_is_float32_with_half_precision_policies(policy):
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        loss = BinaryCrossentropy()(Y, P, np.ones_like(Y))
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert loss.dtype == "float32"
    assert float(loss) == pytest.approx(EACH.mean(), rel=1e-6)


def test_config_and_model_round_trip(tmp_path):
    loss = BinaryCrossentropy(3, name="click")
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is BinaryCrossentropy
    assert (
        again.get_config()
        == loss.get_config()
        == {
            "positive_weight": 3,
            "name": "click",
            "negative_rate": None,
        }
    )
    model = model_of()
    model.compile("sgd", loss)
    x = np.ones((2, 3), "float32")
    model.train_on_batch(x, Y)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.loss) is BinaryCrossentropy
    weight = np.array([[1, 1, 0], [1, 0, 0]])
    model.reset_metrics()
    assert loaded.test_on_batch(x, Y, weight) == model.test_on_batch(x, Y, weight)


def test_confident_wrong_prediction_has_a_gradient():
    logits = keras.Input((None, 1))
    mask = keras.Input((None,), dtype="bool")
    model = keras.Model([logits, mask], probability(logits, mask))
    x, real = tf.constant([[[40.0], [-40.0], [40.0]]]), tf.constant([[True, True, False]])

    @tf.function
    def gradient():
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = BinaryCrossentropy()(tf.constant([[0.0, 1.0, 0.0]]), model([x, real]))
        return tape.gradient(loss, x)

    np.testing.assert_allclose(gradient()[0, :, 0], [1 / 3, -1 / 3, 0], rtol=1e-6)
