"""`with_shards`: the same model, its tables in another number of variables."""

import keras
import numpy as np
import pytest

import keras_din as kd
from keras_din import ctr_model
from keras_din.layers import Embedding
from tests.models.shared import randomized

ITEM = kd.Categorical("item", 11, dim=3)
SPEC = kd.FeatureSpec(
    target=[ITEM, kd.Bag("tags", 7, dim=3)], sequences=[kd.Sequence("hist", of=[ITEM])]
)
COUNTS = {"mini_batch_aware_l2": 0.1, "feature_counts": {"item": np.arange(11)}}
OPTIMIZERS = {
    "LazyAdam": lambda: kd.optimizers.LazyAdam(0.1, use_ema=True, clipnorm=0.1, **COUNTS),
    "RowwiseAdagrad": lambda: kd.optimizers.RowwiseAdagrad(0.1),
    "float16": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(0.1), initial_scale=8.0
    ),
}


def model_of(optimizer):
    model = randomized(kd.build_deepfm(SPEC, hidden_units=(3,), dropout=0.0))
    loss = kd.losses.BinaryCrossentropy()
    model.compile(OPTIMIZERS[optimizer](), loss, run_eagerly=True)
    return model


def batch(seed):
    rng = np.random.default_rng(seed)
    item = rng.integers(0, 11, (6, 2))
    x = {"item": item, "tags": rng.integers(0, 7, (6, 2, 3)), "hist_item": item[:, :1]}
    return x, rng.integers(0, 2, (6, 2)).astype("float32")


def tables_of(model):
    return {each.name: each for each in model.layers if isinstance(each, Embedding)}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_continues_in_another_number(optimizer, tmp_path):
    model = model_of(optimizer)
    model.train_on_batch(*batch(0))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    several = kd.with_shards(loaded, {"item": 4, "tags": 7})
    assert {each.shards for each in tables_of(several).values()} == {4, 7}
    several.run_eagerly = True
    for each in (model, several):
        each.train_on_batch(*batch(1))
    several.save(tmp_path / "several.keras")
    joined = kd.with_shards(keras.saving.load_model(tmp_path / "several.keras"), 1)
    joined.run_eagerly = True
    for each in (model, joined):
        each.train_on_batch(*batch(2))
    pairs = zip(
        model.variables + model.optimizer.variables,
        joined.variables + joined.optimizer.variables,
        strict=True,
    )
    for expected, found in pairs:
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6, err_msg=found.path)
    assert kd.with_shards(joined, 1) is joined


@pytest.mark.parametrize(
    "model, shards, text",
    [
        (keras.Sequential(), 2, "`model` must be a functional keras.Model"),
        (None, {"x": 2}, r"must name tables of the model: \['item'\]. Received: \['x'\]"),
        (None, {"item": 12}, "`shards` of table 'item' must be at most the number of rows, 11"),
        (None, 0, "`shards` must be a positive integer"),
        (None, 2, "must have one entry of its state per row .* Received: Adafactor"),
    ],
)
def test_invalid_arguments(model, shards, text):
    if model is None:
        model = kd.build_base(kd.FeatureSpec(target=[ITEM]), hidden_units=(2,))
        model.compile("adafactor", kd.losses.BinaryCrossentropy())
        model.optimizer.build(model.trainable_variables)
    with pytest.raises(ValueError, match=text):
        kd.with_shards(model, shards)


def test_shards_on_replicas_need_a_row_sparse_optimizer():
    model = kd.build_base(kd.FeatureSpec(target=[ITEM]).with_shards(2), hidden_units=(2,))
    check = ctr_model._check_shards_on_replicas
    check(model, keras.optimizers.LossScaleOptimizer(kd.optimizers.LazyAdam()))
    check(kd.with_shards(model, 1), keras.optimizers.Adam())
    with pytest.raises(ValueError, match=r"with `shards` on several replicas .* Received: Adam"):
        check(model, keras.optimizers.Adam())
