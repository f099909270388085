"""BST against its equations in NumPy, and the effect of the order of behaviors."""

import keras
import numpy as np
import pytest

import keras_din as kd
from keras_din.metrics import auc
from keras_din.serving.version.description import read_description
from keras_din.trace_context import tracing
from tests.models.shared import compiled, randomized, score
from tests.models.values import values_of
from tests.reference import behavior_transformer, read, sigmoid
from tests.specs import random_batch

ITEM = kd.Categorical("item", 20, dim=4)
GENRES = kd.Bag("genres", 7, dim=3)
SPEC = kd.FeatureSpec(
    context=[kd.Numeric("age", mean=1, std=2)],
    target=[ITEM, kd.Numeric("price"), GENRES],
    sequences=[
        kd.Sequence(
            "hist",
            of=[GENRES, ITEM],
            side_features=[kd.Categorical("action", 5, dim=2), kd.Numeric("hours", std=3)],
        ),
        kd.Sequence("carts", of=[ITEM]),
    ],
)
num_blocks = pytest.mark.parametrize("num_blocks", [1, 2])


def a_model(seed=0, **options):
    return randomized(kd.build_bst(SPEC, num_heads=2, hidden_units=(4, 3), **options), seed)


def a_batch(seed=0, time=5):
    """In the first sequence, one user has no behavior and one has the maximum."""
    x = random_batch(SPEC, seed, candidates=2, time=time)
    full = random_batch(SPEC, seed + 1, candidates=2, time=time, real=1)
    for sequence in SPEC.sequences:
        for name in map(sequence.input_name, sequence.features):
            x[name][1] = 0 if sequence.name == "hist" else x[name][1]
            x[name][2] = full[name][2]
    return x


def vectors(model, name, values):
    """Returns the embeddings of the values of one input, `(values, dim)`."""
    feature = SPEC.inputs[name].feature
    if isinstance(feature, kd.Numeric):
        return np.reshape([read(feature, None, value) for value in values], (-1, 1))
    table = model.get_layer(f"embedding_{feature.name}").embeddings.numpy()
    found = [read(feature, table, value) for value in values]
    return np.reshape(found, (-1, feature.dim))


def reference(model, values):
    """Computes `ctr` of one candidate of one row, from values by input name."""
    of = {name: vectors(model, name, each) for name, each in values.items()}
    parts = [of[feature.name][0] for feature in (*SPEC.context, *SPEC.target)]
    for sequence in SPEC.sequences:
        query = np.concatenate([of[feature.name][0] for feature in sequence.of])
        names = map(sequence.input_name, sequence.features)
        keys = np.concatenate([of[name] for name in names], axis=1)
        layer = model.get_layer(f"interest_{sequence.name}")
        parts.append(behavior_transformer(layer, query, keys))
    h = np.concatenate(parts)
    for layer in model.get_layer("top").dense_layers:
        h = h @ layer.kernel.numpy() + layer.bias.numpy()
        h = np.where(h > 0, h, 0.2 * h)
    layer = model.get_layer("logit")
    return sigmoid(h @ layer.kernel.numpy() + layer.bias.numpy())[0]


@num_blocks
@pytest.mark.parametrize("time", [0, 1, 5])
def test_model_matches_numpy(num_blocks, time):
    model, x = a_model(seed=time, num_blocks=num_blocks), a_batch(time, time)
    expected = [
        [reference(model, values_of(SPEC, x, row, candidate)) for candidate in range(2)]
        for row in range(4)
    ]
    np.testing.assert_allclose(model(x), expected, rtol=1e-3, atol=1e-5)
    if time:
        with tracing(form="portable"):
            np.testing.assert_allclose(model(x), expected, rtol=1e-3, atol=1e-5)


def test_positions_are_counted_from_the_most_recent():
    model = a_model(num_blocks=1)
    position = model.get_layer("interest_carts").position
    x = random_batch(SPEC, real=1)
    x["carts_item"] = np.array([[0, 5, 0, 7], [5, 7, 0, 0], [0, 0, 5, 7], [3, 9, 5, 7]], "int32")
    for name, values in x.items():  # Users that differ only in these values.
        x[name] = values if name == "carts_item" else np.repeat(values[:1], 4, axis=0)
    plain = score(model, x)
    np.testing.assert_allclose(plain[1:3], plain[[0, 0]], rtol=1e-6)
    changed = {}
    for i in range(5):
        before = position.numpy()
        position.assign(before + 3 * np.eye(len(before))[:, i : i + 1] * np.arange(1, 5))
        changed[i] = np.abs(score(model, x) - plain)[:, 0] > 1e-6
        position.assign(before)
    assert all(
        changed[i].all() for i in (0, 1, 2)
    )  # The embeddings of the candidate and of two behaviors.
    for i in (3, 4):
        assert changed[i].tolist() == [False, False, False, True]


@pytest.mark.parametrize("max_positions", [0, 100])
def test_without_positions_the_order_does_not_matter(max_positions):
    model, x = a_model(max_positions=max_positions), random_batch(SPEC, time=6)
    turned = {n: v[:, ::-1] if SPEC.inputs[n].role == "behavior" else v for n, v in x.items()}
    same = np.allclose(score(model, x), score(model, turned), atol=1e-6)
    assert same == (max_positions == 0)


def test_model_learns_from_the_order():
    """A click if the candidate is the last behavior. History length alone gives an AUC of 0.78."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    spec = kd.FeatureSpec(target=[ITEM], sequences=[kd.Sequence("hist", of=[ITEM])])
    hist = np.array([rng.permutation(8)[:4] + 2 for _ in range(2000)], "int32")
    length = rng.integers(1, 5, 2000)
    where = 3 - rng.integers(0, length)
    target = np.take_along_axis(hist, where[:, None], 1)
    hist *= np.arange(4) >= 4 - length[:, None]
    label = (where == 3).astype("float32")[:, None]
    large = keras.initializers.RandomNormal(stddev=0.5)
    options = {"num_heads": 2, "hidden_units": (16,), "dropout": 0}
    model = kd.build_bst(spec, embeddings_initializer=large, **options)
    compiled(model, keras.optimizers.Adam(0.01))
    x = {"item": target, "hist_item": hist}
    model.fit(x, label, batch_size=256, epochs=8, verbose=0)
    assert auc(label[:, 0], score(model, x)[:, 0]) > 0.95


@num_blocks
def test_exported_version_matches_the_model(checked_by_one_process, tmp_path, num_blocks):
    version = kd.export(a_model(num_blocks=num_blocks), SPEC, tmp_path)
    found = read_description(version)["largest_difference"]
    assert set(found) == {"serving_default", "rank", "between_signatures"}
    assert max(found.values()) < 1e-5
