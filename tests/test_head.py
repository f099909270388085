"""Outputs of labels that are given another label, in all models with several labels."""

import dataclasses

import keras
import numpy as np
import pytest

import keras_din as kd
from keras_din import head
from keras_din.embed import embed
from keras_din.factors import with_factors
from keras_din.losses import BinaryCrossentropy
from tests.models.shared import ITEM, SPEC, randomized
from tests.reference import sigmoid
from tests.specs import ZOO, random_batch

# Labels may have any order. The chain is click, buy, pay.
LABELS = [
    kd.Label("pay", given="buy"),
    kd.Label("click"),
    kd.Label("buy", output="cvr", given="click"),
    kd.Label("like"),
]
CHAIN = dataclasses.replace(SPEC, labels=LABELS)


def logits_of_head(model, prefix, x):
    """Returns the logit of a head before any product."""
    layer = model.get_layer(f"{prefix}logit")
    part = keras.Model(model.input, layer.output)
    return np.asarray(part(x))[:, :, 0].astype("float64")


@pytest.mark.parametrize("name", ["base", "din"])
def test_outputs_are_products(name):
    model = randomized(ZOO[name](CHAIN), scale=0.3)
    assert list(model.output) == ["pay", "ctr", "cvr", "like"]
    x = random_batch(CHAIN, candidates=3)
    x["item_id"][:, -1] = 0  # Padding.
    outputs = {n: np.asarray(values) for n, values in model(x).items()}
    factors = {p: sigmoid(logits_of_head(model, p, x)) for p in ("", "cvr_", "pay_", "like_")}
    expected = {
        "ctr": factors[""],
        "cvr": factors[""] * factors["cvr_"],
        "pay": factors[""] * factors["cvr_"] * factors["pay_"],
        "like": factors["like_"],
    }
    for output, values in expected.items():
        np.testing.assert_allclose(outputs[output][:, :2], values[:, :2], rtol=1e-5)
        np.testing.assert_array_equal(outputs[output][:, 2], 0)
    both = with_factors(model, CHAIN)(x)
    for factor, prefix in (("cvr_given_ctr", "cvr_"), ("pay_given_cvr", "pay_")):
        np.testing.assert_allclose(both[factor][:, :2], factors[prefix][:, :2], rtol=1e-5)
        np.testing.assert_array_equal(both[factor][:, 2], 0)


def one_item_rates():
    """Rows of two items: 40 % of 4 are clicked, a quarter of the clicks buys, and 50 % of 5."""
    click = np.repeat([1, 0, 1, 0], [40, 60, 50, 50])
    buy = np.repeat([1, 0, 0, 1, 0, 0], [10, 30, 60, 40, 10, 50])
    item = np.repeat([4, 5], 100)
    return {"item_id": item[:, None]}, {"ctr": click[:, None], "cvr": buy[:, None]}


def test_factor_is_learned_from_all_rows():
    """The factor converges to buys per click, though no loss is computed on clicks alone."""
    labels = [kd.Label("click"), kd.Label("buy", output="cvr", given="click")]
    spec = kd.FeatureSpec(target=[ITEM], labels=labels)
    keras.utils.set_random_seed(0)
    model = kd.build_base(spec, hidden_units=(4,), dropout=0)
    model.compile(keras.optimizers.Adam(0.1), BinaryCrossentropy())
    x, y = one_item_rates()
    model.fit(x, y, batch_size=200, epochs=100, verbose=0, shuffle=False)
    found = with_factors(model, spec)({"item_id": np.array([[4, 5]])})
    np.testing.assert_allclose(found["ctr"], [[0.4, 0.5]], atol=0.01)
    np.testing.assert_allclose(found["cvr"], [[0.1, 0.4]], atol=0.01)
    np.testing.assert_allclose(found["cvr_given_ctr"], [[0.25, 0.8]], atol=0.02)


def test_loss_of_a_product_is_computed_from_logits():
    """A product of exp(-120) has the loss 120, which probabilities in float32 do not have."""
    labels = [kd.Label("click"), kd.Label("buy", output="cvr", given="click")]
    spec = kd.FeatureSpec(target=[ITEM], labels=labels)
    model = kd.build_base(spec, hidden_units=(4,))
    for prefix in ("", "cvr_"):
        layer = model.get_layer(f"{prefix}logit")
        layer.set_weights([np.zeros(w.shape) - 60 * (w.ndim == 1) for w in layer.get_weights()])
    model.compile("sgd", BinaryCrossentropy(), run_eagerly=True)
    y = {"ctr": np.ones((1, 1)), "cvr": np.ones((1, 1))}
    found = model.train_on_batch({"item_id": np.array([[4]])}, y, return_dict=True)
    assert found["ctr_loss"] == pytest.approx(60, rel=1e-5)
    assert found["cvr_loss"] == pytest.approx(120, rel=1e-5)
    assert np.isfinite(model.get_weights()[1]).all()


def test_model_is_saved_with_its_products(tmp_path):
    model = randomized(ZOO["base"](CHAIN), scale=0.3)
    x = random_batch(CHAIN, candidates=2)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    expected, found = with_factors(model, CHAIN)(x), with_factors(loaded, CHAIN)(x)
    assert set(found) == set(CHAIN.served_outputs)
    for output, values in expected.items():
        np.testing.assert_array_equal(found[output], values)


@pytest.mark.parametrize("output", ["pay", "cvr", "ctr"])
@pytest.mark.parametrize("scale", [{"positive_weight": 3}, {"negative_rate": 0.5}])
def test_scaled_odds_of_products_are_refused(output, scale):
    """Neither of them scales the odds of a product by one number, which could be undone."""
    model = ZOO["base"](CHAIN)
    plain, scaled = BinaryCrossentropy(), BinaryCrossentropy(**scale)
    model.compile("sgd", dict.fromkeys(CHAIN.outputs, plain) | {"like": scaled})
    with pytest.raises(ValueError, match=f"`positive_weight=1`.*for the output '{output}'"):
        model.compile("sgd", dict.fromkeys(CHAIN.outputs, plain) | {output: scaled})
    with pytest.raises(ValueError, match="`positive_weight=1` on all negatives"):
        model.compile("sgd", scaled)


def test_single_head_of_a_product_is_refused():
    x = embed(CHAIN)
    with pytest.raises(ValueError, match=r"`label` must have no `given`.*Received: Label\('pay'"):
        head.ctr_head([x.target], x.target_mask, (4,), label=LABELS[0])


def test_representation_requires_an_mlp_alone():
    one = dataclasses.replace(SPEC, labels=["click"])
    tensor, mask = head.representation_of(ZOO["base"](one))
    assert tensor.shape[-1] == ZOO["base"](one).get_layer("top").input[0].shape[-1]
    assert mask.dtype == "bool"
    with pytest.raises(ValueError, match=r"must be computed by an MLP alone.*Received: .*'lr'"):
        head.representation_of(ZOO["lr"](one))
