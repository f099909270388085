"""The heads of labels: outputs, padding and names."""

import keras
import numpy as np
import pytest

import keras_din as kd
from keras_din.head import label_output

LOGITS = np.array([[[0.5], [-1.0], [3.0]]], "float32")
MASK = np.array([[True, True, False]])
Z = LOGITS[..., 0]


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("binary_crossentropy", 1 / (1 + np.exp(-Z))),
        ("weighted_logistic", np.exp(Z)),
        ("poisson", np.exp(Z)),
        ("huber", Z),
        ("mse", Z),
    ],
)
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_output_of_label(loss, expected, policy):
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        label = kd.Label("watch", loss=loss)
        symbols = keras.Input((None, 1)), keras.Input((None,), dtype="bool")
        output = label_output(label, *symbols)
        found = keras.Model(symbols, output).predict_on_batch((LOGITS, MASK))
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert output.dtype == "float32"
    assert output._keras_history.operation.name == "watch"
    np.testing.assert_allclose(found, np.where(MASK, expected, 0), rtol=1e-6)


def test_model_has_an_output_per_label():
    item = kd.Categorical("item", 9, dim=2)
    labels = [kd.Label("click"), kd.Label("watch", loss="poisson")]
    spec = kd.FeatureSpec(target=[item], sequences=[kd.Sequence("hist", of=[item])], labels=labels)
    model = kd.build_base(spec, hidden_units=(4,))
    found = model.predict_on_batch(
        {"item": np.array([[2, 3, 0]]), "hist_item": np.array([[4, 5, 0]])}
    )
    assert list(found) == ["ctr", "watch"]
    assert found["watch"][0, 2] == 0
    assert (found["watch"][0, :2] > 0).all()
    assert "watch_logit" in [layer.name for layer in model.layers]


@pytest.mark.parametrize("loss", ["poisson", "huber"])
def test_models_with_one_number(loss):
    spec = kd.FeatureSpec(
        target=[kd.Categorical("item", 9, dim=2)], labels=[kd.Label("watch", loss=loss)]
    )
    found = kd.build_lr(spec).predict_on_batch({"item": np.array([[2, 0]])})
    np.testing.assert_array_equal(found, [[float(loss == "poisson"), 0]])
    with pytest.raises(ValueError, match=r"must have a label of 0 and 1.*Received: Label\('watch'"):
        kd.build_popularity(spec)
