"""Options of training with all models: batch normalization, sample weights, regularization."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_din import Bag, Categorical, FeatureSpec, Numeric, Sequence
from keras_din.losses import BinaryCrossentropy
from keras_din.models.din import AUTHORS
from keras_din.optimizers import LazyAdam
from keras_din.optimizers.row_sparse import is_table
from tests.models.shared import SPEC, pad, randomized
from tests.specs import TRAINED, ZOO, random_batch

ITEM, CATE = Categorical("item_id", 40, dim=8), Categorical("cate_id", 12, dim=8)
SEQUENCES = FeatureSpec(
    context=[Categorical("segment", 5, dim=8), Numeric("age", mean=1, std=2)],
    target=[ITEM, CATE, Bag("words", 7, dim=8, pooling="sum")],
    sequences=[
        Sequence("clicks", of=[ITEM, CATE], side_features=[Categorical("action", 4, dim=8)]),
        Sequence("buys", of=[ITEM], side_features=[Numeric("price"), Bag("tags", 6, dim=8)]),
    ],
)
CROSSES = {"crosses": [("segment", "item_id"), ("clicks_item_id", "item_id")]}
MODELS = {name: (build, {}) for name, build in TRAINED.items()} | {
    "wide_deep": (ZOO["wide_deep"], CROSSES),
    "dcn_parallel": (ZOO["dcn"], {"structure": "parallel"}),
    "din_authors": (ZOO["din"], AUTHORS),
    "din_product": (ZOO["din"], {"interaction": "product", "item_bias": True}),
}
with_activation = [
    name
    for name, (build, options) in MODELS.items()
    if "activation" in inspect.signature(build).parameters
]
every_model = pytest.mark.parametrize("name", MODELS)
STEPS = ["batch_normalization", "relu"]


def build(name, spec=SEQUENCES, **options):
    builder, given = MODELS[name]
    options = given | {
        word: value
        for word, value in options.items()
        if word in inspect.signature(builder).parameters
    }
    return randomized(builder(spec, **options), scale=0.3)


def labels(*shape):
    return np.random.default_rng(1).integers(0, 2, shape).astype("float32")


def fit(model, optimizer, x, y, weight=None):
    """Trains for one step."""
    model.compile(optimizer, BinaryCrossentropy(), run_eagerly=True)
    return model.fit(x, y, sample_weight=weight, batch_size=len(y), verbose=0).history["loss"][0]


def averages(model):
    return [weight.numpy() for weight in model.non_trainable_weights if "moving" in weight.path]


@pytest.mark.parametrize("name", with_activation)
def test_batch_normalization_is_learned(name):
    model = build(name, activation=STEPS)
    before = averages(model)
    assert len(before) >= 4  # At least two layers.
    assert np.isfinite(
        fit(model, "adam", random_batch(SEQUENCES, candidates=3, batch=6), labels(6, 3))
    )
    for a, b in zip(before, averages(model), strict=True):
        assert np.isfinite(b).all()
        assert (a != b).any()


@pytest.mark.parametrize("name", ["din", "dcn_parallel"])
def test_padding_changes_nothing_with_batch_normalization(name):
    x, y = random_batch(SPEC, candidates=2, batch=6), labels(6, 2)
    models = []
    for candidates, time in ((0, (0, 0)), (3, (2, 5))):
        model = build(name, SPEC, activation=STEPS)
        padding = ((0, 0), (0, candidates))
        data = pad(x, time, (0, candidates)), np.pad(y, padding), np.pad(np.ones_like(y), padding)
        for _ in range(3):
            fit(model, keras.optimizers.SGD(0.02), *data)
        models.append((model, data[0]))
    for a, b in zip(*(model.get_weights() for model, _ in models), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    plain, padded = (np.asarray(model(x)) for model, x in models)
    np.testing.assert_allclose(padded[:, :2], plain, rtol=1e-4)
    np.testing.assert_array_equal(padded[:, 2:], 0)


def loss_and_gradients(model, x, y, weight=None):
    variables = [variable.value for variable in model.trainable_variables]
    with tf.GradientTape() as tape:
        loss = BinaryCrossentropy()(y, model(x, training=True), weight)
    gradients = tape.gradient(loss, variables)
    return [loss, *(tf.convert_to_tensor(gradient) for gradient in gradients)]


def assert_close(a, b):
    for one, other in zip(a, b, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@every_model
def test_sample_weights_scale_gradients(name):
    """Weight 0 is the same as no sample, weight 2 the same as two samples."""
    model = build(name, activation="relu", auxiliary_loss_weight=0.0)
    x, y = random_batch(SEQUENCES, candidates=3), labels(4, 3)
    of_rows = lambda rows: ({n: v[rows] for n, v in x.items()}, y[rows])  # noqa: E731
    weight = np.array([1, 0, 2, 1], "float32")
    weighted = loss_and_gradients(model, x, y, weight)
    assert_close(weighted, loss_and_gradients(model, *of_rows([0, 2, 2, 3])))
    # One weight per candidate, one of them 0.
    assert_close(weighted, loss_and_gradients(model, x, y, weight[:, None] * np.ones_like(y)))
    target = [n for n, info in SEQUENCES.inputs.items() if info.role == "target"]
    fewer = x | {n: x[n][:, 1:] for n in target}
    assert_close(
        loss_and_gradients(model, x, y, [[0.0, 1, 1]] * 4),
        loss_and_gradients(model, fewer, y[:, 1:]),
    )
    assert abs(float(weighted[0] - loss_and_gradients(model, x, y)[0])) > 1e-3
    # `fit` makes a step along this gradient.
    before = [variable.numpy() for variable in model.trainable_variables]
    loss = fit(model, keras.optimizers.SGD(1.0), x, y, weight)
    assert loss == pytest.approx(float(weighted[0]), rel=1e-5)
    moved = [a - b.numpy() for a, b in zip(before, model.trainable_variables, strict=True)]
    for step, gradient in zip(moved, weighted[1:], strict=True):
        np.testing.assert_allclose(step, gradient, rtol=1e-3, atol=1e-5)


def test_the_auxiliary_loss_has_no_sample_weights():
    x, y = random_batch(SEQUENCES), labels(4, 1)
    losses = [
        fit(
            build("dien", auxiliary_loss_weight=weight),
            keras.optimizers.SGD(0.0),
            x,
            y,
            np.zeros(4),
        )
        for weight in (0.0, 1.0)
    ]
    assert losses[0] == 0
    assert losses[1] > 0.5


@every_model
def test_mini_batch_aware_regularization(name):
    """Tables of features with counts are regularized, others are not."""
    x, y = random_batch(SEQUENCES, candidates=3, batch=6), labels(6, 3)
    tables, counts = {}, {}
    for strength in (0.0, 5.0):
        keras.utils.set_random_seed(0)  # For the negatives of DIEN.
        model = build(name)
        mine = [variable for variable in model.trainable_variables if is_table(variable)]
        counts = {
            feature: np.full(variable.shape[0], 3)
            for variable in mine
            if (feature := variable.feature) in SEQUENCES.features
        }
        before = [table.numpy() for table in mine]
        optimizer = LazyAdam(0.1, epsilon=1.0, mini_batch_aware_l2=strength, feature_counts=counts)
        assert np.isfinite(fit(model, optimizer, x, y))
        tables[strength] = [table.numpy() for table in mine]
    assert set(counts) == {variable.feature for variable in mine} - crosses(name)
    for table, start, plain, regularized in zip(mine, before, *tables.values(), strict=True):
        assert np.isfinite(regularized).all()
        np.testing.assert_array_equal(regularized[0], start[0])
        touched = (regularized != start).any(axis=1)
        assert touched.any()
        if table.feature in counts:
            assert ((regularized != plain).any(axis=1) == touched).all()
        else:
            np.testing.assert_array_equal(regularized, plain)


def crosses(name):
    """Returns the names of tables of crosses, which have no counts."""
    return {f"weight_{'_x_'.join(names)}" for names in MODELS[name][1].get("crosses", ())}
