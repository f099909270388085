"""`Calibration`: the curve by hand, the order of values, and curves per value of a feature."""

import keras
import numpy as np
import pytest

from keras_din.layers import Calibration, ClickProbability

# Slopes 2, 0.5 and 1 of the lines; the first and the last go on.
CURVE = ([-1.0, 0.0, 2.0, 3.0], [-3.0, -1.0, 0.0, 1.0])
BY_HAND = {-2: -5, -1: -3, -0.5: -2, 0: -1, 1: -0.5, 2: 0, 2.5: 0.5, 5: 3}


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, "float64")))


def model_of(layer, index=False):
    """Returns a model from logits, and from indices of the shape `(batch,)`, to the output."""
    inputs = {"logits": keras.Input((None,), name="logits")}
    if index:
        inputs["index"] = keras.Input((), dtype="int32", name="index")
    p = ClickProbability(dtype="float32")(inputs["logits"])
    return keras.Model(inputs, layer(p, inputs.get("index")))


def test_curve_by_hand():
    logits = np.array([list(BY_HAND)], "float32")
    expected = sigmoid([list(BY_HAND.values())])
    layer = Calibration([CURVE])
    np.testing.assert_allclose(model_of(layer)({"logits": logits}), expected, rtol=1e-6)
    # Without logits they are computed from probabilities.
    p = sigmoid(logits).astype("float32")
    np.testing.assert_allclose(layer(p), expected, rtol=1e-5)
    np.testing.assert_array_equal(layer(np.array([0.0, 1.0], "float32")), [0, 1])


def test_curve_is_exact_for_probabilities_near_0_and_1():
    """A probability of 1 - 2e-9 is 1 in float32, and its logit minus 20 is not."""
    model = model_of(Calibration([([0.0, 1.0], [-20.0, -19.0])]))
    logits = np.array([[20.0, -60.0, -1e9]], "float32")
    np.testing.assert_allclose(model({"logits": logits}), [[0.5, sigmoid(-80), 0]], rtol=1e-6)


def test_order_never_changes():
    rng = np.random.default_rng(0)
    x = rng.normal(size=40).astype("float32")
    x = np.unique([*x, np.nextafter(x[0], np.float32(9))])  # One segment is as short as possible.
    layer = Calibration([(x, np.cumsum(0.01 + rng.exponential(size=len(x)) ** 4) - 40)])
    logits = np.unique(rng.normal(scale=3, size=100_000).astype("float32"))
    logits = np.unique(np.concatenate([logits, x, np.nextafter(x, np.float32(-9))]))
    calibrated = np.asarray(layer._curve(keras.ops.convert_to_tensor(logits), None))
    assert (np.diff(calibrated) >= 0).all()


def test_curves_per_value():
    own, other = ([0.0, 1.0], [1.0, 2.0]), ([0.0, 1.0, 2.0], [0.0, 2.0, 4.0])
    layer = Calibration([CURVE, own, other], indices=[3, 1], by="tab")
    model = model_of(layer, index=True)
    logits = np.array([[-1.0, 0.5]] * 6, "float32")
    index = np.array([0, 1, 2, 3, 99, -5], "int32")
    expected = [[-3, -0.75], [-2, 1], [-3, -0.75], [0, 1.5], [-3, -0.75], [-3, -0.75]]
    found = model({"logits": logits, "index": index})
    np.testing.assert_allclose(found, sigmoid(expected), rtol=1e-6)
    # One index per candidate.
    found = layer(sigmoid(logits).astype("float32"), np.array([[1, 3]] * 6, "int32"))
    np.testing.assert_allclose(found, sigmoid([[-2, 1.5]] * 6), rtol=1e-5)
    with pytest.raises(ValueError, match=r"`index` must be given, .*'tab'"):
        layer(logits)


def test_layer_is_saved_and_cloned(tmp_path):
    layer = Calibration([CURVE, CURVE], [4], "tab", "isotonic", {"rows": 7}, name="calibration")
    model = model_of(layer, index=True)
    model.save(tmp_path / "model.keras")
    x = {"logits": np.linspace(-4, 4, 8, dtype="float32")[:, None], "index": np.full(8, 4, "int32")}
    for copy in (
        keras.saving.load_model(tmp_path / "model.keras"),
        keras.models.clone_model(model),
    ):
        np.testing.assert_array_equal(copy(x), model(x))
        copied = copy.get_layer("calibration")
        assert copied.get_config() == layer.get_config()
        assert (copied.by, copied.method, copied.report) == ("tab", "isotonic", {"rows": 7})


def test_output_is_float32_in_mixed_precision():
    layer = Calibration([CURVE])
    found = layer(keras.ops.cast(np.array([0.25, 0.5]), "bfloat16"))
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_allclose(found, sigmoid([-1 - 2 * np.log(3), -1]), rtol=1e-5)


@pytest.mark.parametrize(
    "arguments, match",
    [
        (([([0.0], [0.0])],), "at least two numbers, and both must ascend"),
        (([([0.0, 0.0], [0.0, 1.0])],), "both must ascend"),
        (([([0.0, 1.0], [1.0, 0.5])],), "both must ascend"),
        (([([0.0, 1.0], [0.0, np.nan])],), "both must ascend"),
        (([([0.0, 1.0, 2.0], [0.0, 1.0])],), "both must ascend"),
        (([CURVE], [1]), "Received: 1 curves and 1 indices"),
        (([CURVE, CURVE, CURVE], [1, 1]), "must be distinct and not negative"),
        (([CURVE, CURVE], [-1]), "must be distinct and not negative"),
    ],
)
def test_invalid_arguments(arguments, match):
    with pytest.raises(ValueError, match=match):
        Calibration(*arguments)
