"""The popularity model: its closed form, its prior strength and its errors."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.data import synthetic_log
from keras_din.losses import BinaryCrossentropy
from keras_din.metrics import logloss
from keras_din.models import fit_popularity
from keras_din.models.popularity import PRIOR_STRENGTHS, click_logits
from tests.specs import random_batch

ITEM = kd.Categorical("item_id", 6, dim=8)
SPEC = kd.FeatureSpec(target=[ITEM], sequences=[kd.Sequence("hist", of=[ITEM])])
# Item 2 has 3 clicks of 4 impressions, item 3 has 0 of 2, item 1 (unknown) 1 of 2: 4 of 8.
ITEMS = np.array([[2], [2], [2], [2], [3], [3], [1], [1]], "int32")
LABELS = np.array([[1], [1], [1], [0], [0], [0], [1], [0]], "float32")


def rates(model, items):
    """Returns the predictions for these items."""
    x = {"item_id": np.array([items], "int32"), "hist_item_id": np.zeros((1, 0), "int32")}
    return np.asarray(model(x))[0]


@pytest.mark.parametrize(
    "batches",
    [
        ({"item_id": ITEMS}, LABELS),
        [({"item_id": ITEMS[:5]}, LABELS[:5]), ({"item_id": ITEMS[5:]}, LABELS[5:])],
        (({"item_id": ITEMS[:5]}, LABELS[:5]), ({"item_id": ITEMS[5:]}, LABELS[5:])),
        # Requests with padding by index, and with padding by weight only.
        [({"item_id": np.append(ITEMS[:, 0], 0)[None]}, np.append(LABELS[:, 0], 1)[None])],
        (
            {"item_id": np.append(ITEMS, [[2]], 0)},
            np.append(LABELS, [[1]], 0),
            np.array([1] * 8 + [0], "float32"),
        ),
        (
            {"item_id": ITEMS[[0, 3, 4, 6, 7]]},
            LABELS[[0, 3, 4, 6, 7]],
            np.array([3, 1, 2, 1, 1], "float32"),
        ),
        tf.data.Dataset.from_tensor_slices(({"item_id": ITEMS}, LABELS)).batch(3),
    ],
    ids=["arrays", "batches", "tuple", "requests", "weight 0", "weights", "dataset"],
)
def test_rates_are_smoothed_counts(batches):
    model = kd.build_popularity(SPEC)
    assert fit_popularity(model, batches, prior_strength=2) == 2
    # p = 4 / 8, k = 2: (3 + 1) / 6, (0 + 1) / 4, (1 + 1) / 4; no impressions: p; padding: 0.
    expected = [4 / 6, 1 / 4, 1 / 2, 1 / 2, 1 / 2, 0]
    np.testing.assert_allclose(rates(model, [2, 3, 1, 4, 5, 0]), expected, rtol=1e-6)
    np.testing.assert_allclose(rates(model, [-3, 60]), [1 / 2, 1 / 2], rtol=1e-6)


def test_click_logits_of_small_counts():
    found = click_logits(np.array([3.0, 0.0]), np.array([4.0, 12.0]), 8.0)
    # p = 3 / 16: (3 + 1.5) / 12 and (0 + 1.5) / 20.
    expected = [math.log(4.5 / 7.5), math.log(1.5 / 18.5)]
    np.testing.assert_allclose(found, expected)


def test_validation_chooses_the_prior_strength():
    """The chosen strength has the lowest logloss of the model's predictions."""
    rng = np.random.default_rng(0)
    rate = rng.beta(4, 4, 200)
    spec = kd.FeatureSpec(target=[kd.Categorical("item_id", 202, dim=8)])

    def rows(count):
        items = rng.integers(0, 200, count)
        labels = (rng.random(count) < rate[items]).astype("float32")
        return {"item_id": (items + 2)[:, None].astype("int32")}, labels[:, None]

    train, valid = rows(2000), rows(2000)
    # Equal click rates, so that scaling the odds of validation changes nothing.
    valid[1][np.flatnonzero(valid[1] == 0)[: int(train[1].sum() - valid[1].sum())]] = 1
    assert valid[1].mean() == train[1].mean()
    found = {}
    for strength in PRIOR_STRENGTHS:
        model = kd.build_popularity(spec)
        fit_popularity(model, train, prior_strength=strength)
        found[strength] = logloss(valid[1][:, 0], np.asarray(model(valid[0]))[:, 0])
    model = kd.build_popularity(spec)
    chosen = fit_popularity(model, train, valid)
    assert chosen == min(found, key=found.get)
    assert 2 <= chosen <= 50  # The true strength is 8.
    fewer = np.flatnonzero((train[1][:, 0] == 1) | (rng.random(2000) < 0.2))
    few = {"item_id": train[0]["item_id"][fewer]}, train[1][fewer]
    assert (
        fit_popularity(model, few, valid) < 100
    )  # Without the scaling of odds, it would be larger.
    assert fit_popularity(model, train) == 10


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "float64"])
def test_half_precision_policy_keeps_float32_logits(policy):
    """Logits stay in float32: half precision would make them equal for some items."""
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        model = kd.build_popularity(SPEC)
        clicks = np.repeat([[1], [0]], [1000, 1000], axis=0).astype("float32")
        items = np.concatenate([np.repeat([[2], [3]], [501, 499], axis=0)] * 2)
        items[1000:] = np.repeat([[2], [3]], [500, 500], axis=0)
        fit_popularity(model, ({"item_id": items}, clicks), prior_strength=1)
        out = model({"item_id": np.array([[2, 3]]), "hist_item_id": np.zeros((1, 0), "int32")})
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert keras.backend.standardize_dtype(out.dtype) == "float32"
    first, second = np.asarray(out)[0]
    assert first > 0.5 > second
    assert first == pytest.approx(501.5 / 1002, abs=1e-6)


def test_uncounted_model_predicts_one_half_and_refuses_gradient_steps():
    model = kd.build_popularity(SPEC)
    np.testing.assert_array_equal(rates(model, [1, 2, 3, 0]), [0.5, 0.5, 0.5, 0])
    assert model.trainable_variables == []
    model.compile("adam", BinaryCrossentropy())
    text = r"must be counted, not trained by gradient steps: call\s.*fit_popularity"
    x = random_batch(SPEC)
    for step in (
        lambda: model.fit(x, np.ones((4, 1), "float32"), verbose=0),
        lambda: model.train_on_batch(x, np.ones((4, 1), "float32")),
        lambda: model(x, training=True),
    ):
        with pytest.raises(ValueError, match=text):
            step()


def test_loaded_model_keeps_counts_and_refuses_gradient_steps(tmp_path):
    model = kd.build_popularity(SPEC)
    fit_popularity(model, ({"item_id": ITEMS}, LABELS))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(rates(loaded, [1, 2, 3]), rates(model, [1, 2, 3]))
    assert len(set(rates(loaded, [1, 2, 3]))) == 3
    with pytest.raises(ValueError, match="must be counted"):
        loaded(random_batch(SPEC), training=True)
    fit_popularity(loaded, ({"item_id": ITEMS}, 1 - LABELS), prior_strength=2)
    assert rates(loaded, [2])[0] == pytest.approx(2 / 6)


def test_invalid_arguments():
    with pytest.raises(ValueError, match=r"`model` must be built by .*\. Received: 'lr'"):
        fit_popularity(kd.build_lr(SPEC), ({"item_id": ITEMS}, LABELS))
    model = kd.build_popularity(SPEC)
    for label, text in ((0, "0 clicks in 8 rows"), (1, "8 clicks in 8 rows")):
        with pytest.raises(ValueError, match=f"`train` must have rows with .*Received: {text}"):
            fit_popularity(model, ({"item_id": ITEMS}, np.full_like(LABELS, label)))
    with pytest.raises(ValueError, match="`prior_strength` must be a positive number"):
        fit_popularity(model, ({"item_id": ITEMS}, LABELS), prior_strength=0)


def test_fit_on_prepared_data():
    """The item's indices are found by name among other inputs."""
    data = synthetic_log(30, 12, interests=2, categories=5)
    of = lambda part: (data.parts[part].columns, data.parts[part].label)  # noqa: E731
    found = []
    for parts in (
        [data.dataset(part, 32) for part in ("train", "valid")],
        [of("train"), of("valid")],
    ):
        model = kd.build_popularity(data.spec)
        found.append((fit_popularity(model, *parts), model.get_weights()[0]))
    assert found[0][0] == found[1][0]
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-6)
