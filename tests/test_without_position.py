"""Models with a `Position`, and their form without it."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din import MODELS
from keras_din.factors import with_factors
from keras_din.head import label_heads
from keras_din.layers import ClickProbability, PositionBias
from keras_din.spec_fingerprint import fingerprint, fingerprints_of
from keras_din.without_position import position_bias_of, without_position
from tests.models.shared import randomized
from tests.specs import TRAINED

ITEM, CATE = kd.Categorical("item", 20, dim=4), kd.Categorical("cate", 9, dim=4)
SPEC = kd.FeatureSpec(
    context=[kd.Categorical("group", 5, dim=4)],
    target=[ITEM, kd.Position("position", size=4), CATE],
    sequences=[kd.Sequence("hist", of=[ITEM, CATE])],
)
CHAIN = [
    kd.Label("click"),
    kd.Label("like"),
    kd.Label("buy", output="cvr", given="click"),
    kd.Label("watch", loss="poisson"),
]
SEEN = np.array([1, 0.5, 0.2, 0.1])
X = {
    "group": np.array([2, 3]),
    "item": np.array([[2, 3, 4, 5, 6], [7, 2, 3, 4, 0]]),
    "cate": np.array([[2, 3, 4, 5, 6], [7, 2, 3, 4, 0]]),
    "hist_item": np.array([[4, 5, 0], [0, 0, 0]]),
    "hist_cate": np.array([[4, 5, 0], [0, 0, 0]]),
    "position": np.array([[1, 2, 3, 4, 9], [np.nan, 4, 1, 0, 0]], "float32"),
}
FACTOR = np.array([[1, 0.5, 0.2, 0.1, 0.1], [1, 0.1, 1, 1, 0]])


def with_seen(model):
    """Sets `p_seen` to `SEEN`."""
    layer = position_bias_of(model)
    layer.position_logits.assign(np.log(SEEN[1:] / (1 - SEEN[1:]))[:, None])
    return model


def outputs_of(model, x):
    found = model(x)
    found = found if isinstance(found, dict) else {"ctr": found}
    return {name: keras.ops.convert_to_numpy(values) for name, values in found.items()}


def without(x):
    return {name: values for name, values in x.items() if name != "position"}


@pytest.mark.parametrize("name", TRAINED)
def test_every_model_is_the_product(name):
    model = with_seen(randomized(MODELS[name](SPEC), scale=0.2))
    served, spec = without_position(model, SPEC)
    assert spec == SPEC.without_position()
    assert isinstance(served, kd.CTRModel)
    assert sorted(tensor.name for tensor in served.inputs) == sorted(spec.inputs)
    # An export compares them.
    assert fingerprints_of(served) == [fingerprint(spec)]
    of_served = outputs_of(served, without(X))["ctr"]
    np.testing.assert_allclose(outputs_of(model, X)["ctr"], FACTOR * of_served, rtol=1e-5)
    nowhere = {**X, "position": np.zeros_like(X["position"])}
    np.testing.assert_allclose(outputs_of(model, nowhere)["ctr"], of_served, rtol=1e-6)


def test_popularity_does_not_depend_on_the_position():
    model = kd.build_popularity(SPEC)
    served, _ = without_position(model, SPEC)
    assert position_bias_of(model) is None
    assert outputs_of(served, without(X))["ctr"][0].tolist() == [0.5] * 5


@pytest.mark.parametrize("name", ["din", "multi_task"])
def test_several_labels_share_the_factor(name):
    spec = dataclasses.replace(SPEC, labels=CHAIN)
    model = with_seen(randomized(MODELS[name](spec), scale=0.2))
    served, served_spec = without_position(model, spec)
    model, served = with_factors(model, spec), with_factors(served, served_spec)
    found, expected = outputs_of(model, X), outputs_of(served, without(X))
    for output in ("ctr", "like", "cvr"):
        np.testing.assert_allclose(found[output], FACTOR * expected[output], rtol=1e-5)
    for output in ("watch", "cvr_given_ctr"):
        np.testing.assert_allclose(found[output], expected[output], rtol=1e-6)
    product = expected["ctr"] * expected["cvr_given_ctr"]
    np.testing.assert_allclose(expected["cvr"], product, rtol=1e-5)


def test_own_models():
    """One whose fingerprint is an attribute, and one that is no `CTRModel`."""
    spec = kd.FeatureSpec(target=[ITEM, kd.Position("position", size=4)])
    item, position = keras.Input((None,), name="item"), keras.Input((None,), name="position")
    logits = PositionBias(4)(keras.ops.expand_dims(item, -1), position)
    inputs, ctr = {"item": item, "position": position}, ClickProbability()(logits[..., 0])
    model = kd.CTRModel(inputs, ctr, spec=spec)
    served, served_spec = without_position(model, spec)
    assert served.fingerprint == fingerprint(served_spec)
    x = np.array([[0.0, 2.0]])
    np.testing.assert_allclose(served({"item": x}), 1 / (1 + np.exp(-x)), rtol=1e-6)
    served, _ = without_position(keras.Model(inputs, ctr), spec)
    assert not isinstance(served, kd.CTRModel)
    np.testing.assert_allclose(served({"item": x}), 1 / (1 + np.exp(-x)), rtol=1e-6)


def test_a_spec_without_a_position():
    spec = SPEC.without_position()
    model = kd.build_base(spec)
    assert without_position(model, spec) == (model, spec)


def test_saved_model_also_after_its_form_without_the_position(tmp_path):
    model = with_seen(kd.build_din(SPEC))
    without_position(model, SPEC)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(outputs_of(loaded, X)["ctr"], outputs_of(model, X)["ctr"], rtol=1e-6)
    served, _ = without_position(loaded, SPEC)
    served.save(tmp_path / "served.keras")
    served = keras.saving.load_model(tmp_path / "served.keras")
    expected, _ = without_position(model, SPEC)
    np.testing.assert_allclose(
        outputs_of(served, without(X))["ctr"], outputs_of(expected, without(X))["ctr"], rtol=1e-6
    )


def test_mixed_precision_keeps_positions():
    """Half precision has no number 2049."""
    item = kd.Position("position", size=3000)
    spec = dataclasses.replace(SPEC, target=[ITEM, item, CATE])
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = kd.build_base(spec)
    finally:
        keras.config.set_dtype_policy("float32")
    logits = np.zeros((2999, 1), "float32")
    logits[2049 - 2] = -50
    position_bias_of(model).position_logits.assign(logits)
    position = np.where(X["item"] == 3, 2049.0, 2048.0)
    found = outputs_of(model, {**X, "position": position.astype("float32")})["ctr"]
    assert found.dtype == np.float32
    assert found[0, 1] < 1e-20 < 0.05 < found[0, 0]


def test_ragged_positions():
    model = with_seen(kd.build_base(SPEC))
    target = ("item", "cate", "position")
    x = {name: tf.constant(np.nan_to_num(values)) for name, values in X.items()}
    ragged = {
        name: tf.RaggedTensor.from_tensor(values, lengths=[5, 4]) if name in target else values
        for name, values in x.items()
    }
    np.testing.assert_allclose(model(ragged), model(x), rtol=1e-6)


def test_grown_model_keeps_the_factor():
    item = kd.Categorical("item", vocabulary=["a", "b"], dim=4)
    grown = kd.Categorical("item", vocabulary=["a", "b", "c"], dim=4)
    spec, new_spec = (kd.FeatureSpec(target=[i, kd.Position("p", size=4)]) for i in (item, grown))
    model = with_seen(kd.build_base(spec))
    model.compile(kd.optimizers.LazyAdam(), kd.losses.BinaryCrossentropy(), run_eagerly=True)
    model.fit({"item": np.array([[2], [3]]), "p": np.array([[1.0], [2.0]])}, np.ones(2), verbose=0)
    before = position_bias_of(model).probabilities()
    assert before[1] > SEEN[1]
    new = kd.grow(model, spec, new_spec)
    np.testing.assert_array_equal(position_bias_of(new).probabilities(), before)
    assert without_position(new, new_spec)[1] == new_spec.without_position()


def test_errors():
    with pytest.raises(ValueError, match=r"`spec` must be a FeatureSpec\. Received: spec=None"):
        without_position(kd.build_base(SPEC), None)
    served = kd.build_base(SPEC.without_position())
    with pytest.raises(ValueError, match=r"must have the input 'position'.*Received: a model with"):
        without_position(served, SPEC)
    other = dataclasses.replace(SPEC, target=[ITEM, kd.Position("position", size=9), CATE])
    with pytest.raises(ValueError, match=r"its size is 4 in the model, 9 in"):
        without_position(kd.build_base(SPEC), other)
    parts = [keras.Input((None, 3))]
    with pytest.raises(ValueError, match=r"`positions` must be given.*positions=None"):
        label_heads(SPEC, parts, keras.Input((None,), dtype="bool"))


Y = np.array([[1, 0, 1, 0, 0], [0, 1, 0, 1, 0]], "float32")
REAL = (X["item"] > 0).astype("float32")


def test_pairwise_loss_of_positions_by_hand():
    """It ranks by `p_seen p_click`, so a click at a low position says more about the item."""
    model = with_seen(randomized(kd.build_base(SPEC, hidden_units=()), scale=0.2))
    served, _ = without_position(model, SPEC)
    p = np.where(REAL, FACTOR * outputs_of(served, without(X))["ctr"], 0.5)
    logits = np.log(p) - np.log1p(-p)
    of_rows = []
    for row in range(2):
        pairs = [(i, j) for i in range(5) for j in range(5) if Y[row, i] > Y[row, j]]
        pairs = [(i, j) for i, j in pairs if REAL[row, i] and REAL[row, j]]
        of_rows.append(
            np.mean([np.log1p(np.exp(logits[row, j] - logits[row, i])) for i, j in pairs])
        )
    expected = np.average(of_rows, weights=REAL.sum(axis=1))
    found = kd.losses.PairwiseLogistic()(Y, model(X), REAL)
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "loss", [kd.losses.PairwiseLogistic, kd.losses.ListwiseSoftmax, kd.losses.JRC]
)
def test_ranking_losses_train_the_position_bias(loss):
    model = with_seen(randomized(kd.build_base(SPEC, hidden_units=()), scale=0.2))
    variable, start = position_bias_of(model).position_logits, np.log(SEEN[1:] / (1 - SEEN[1:]))
    step, slopes = 1e-2, []
    for position in range(3):
        values = []
        for sign in (1, -1):
            moved = start + sign * step * (np.arange(3) == position)
            variable.assign(moved[:, None])
            values.append(float(loss(crossentropy=1.0)(Y, model(X), REAL)))
        slopes.append((values[0] - values[1]) / (2 * step))
    variable.assign(start[:, None])
    model.compile(keras.optimizers.SGD(1.0), loss(crossentropy=1.0), run_eagerly=True)
    x = {name: np.nan_to_num(values) for name, values in X.items()}
    model.train_on_batch(x, Y, sample_weight=REAL)
    gradient = start - keras.ops.convert_to_numpy(variable)[:, 0]
    np.testing.assert_allclose(gradient, slopes, rtol=1e-2, atol=1e-4)
    assert (np.abs(gradient) > 1e-3).all()
