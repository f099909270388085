"""`Match`, `LastMatch` and `HistorySize` in all models: values, padding, training and files."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.embed import embed
from keras_din.serving.graph.float32_layers import traced_once
from tests.models.history_spec import FACTS, MATCHES, SIZES, SPEC, a_batch, a_spec
from tests.models.shared import compiled, float_tensors_of_length, randomized, score
from tests.specs import TRAINED, ZOO


def expected(x):
    """The values of the features by loops over rows, candidates and behaviors."""
    shape = x["item"].shape
    values = {name: np.zeros(shape, "float32") for name in MATCHES}
    values |= {name: np.zeros(shape[0], "float32") for name in FACTS}
    is_known = lambda name, index: 2 <= index < SIZES[name]  # noqa: E731
    for row in range(shape[0]):
        places = np.flatnonzero(x["hist_item"][row])
        cates = [x["hist_cate"][row, place] for place in places]
        values["length"][row] = np.log(1 + len(places))
        values["cates"][row] = np.log(1 + len({c for c in cates if is_known("cate", c)}))
        for i in range(shape[1]):
            same = {
                name: [p for p in places if x[f"hist_{name}"][row, p] == x[name][row, i]]
                if is_known(name, x[name][row, i])
                else []
                for name in SIZES
            }
            values["seen"][row, i] = float(len(same["item"]) > 0)
            values["count"][row, i] = np.log(1 + len(same["cate"]))
            values["share"][row, i] = len(same["cate"]) / max(len(places), 1)
            ago = [x["hist_ago"][row, place] for place in same["cate"]]
            values["last"][row, i] = min(ago, default=1)
    return values


def values_of(spec):
    """A model whose outputs are the values of the features."""
    x = embed(spec)
    return keras.Model(x.inputs, {name: x.values[name] for name in (*MATCHES, *FACTS)})


def test_values_by_hand():
    x = {
        "segment": [2],
        "item": [[2, 3, 1, 9]],
        "cate": [[3, 4, 2, 3]],
        "hist_item": [[2, 0, 2, 5, 1, 9]],
        "hist_cate": [[3, 2, 3, 4, 1, 3]],  # The second is padding.
        "hist_ago": [[5, 2, 4, 3, 2, 4]],
    }
    found = values_of(SPEC)({name: np.array(values, "int32") for name, values in x.items()})
    assert found["seen"].numpy().tolist() == [[1, 0, 0, 0]]  # Index 9 is unknown to the table.
    np.testing.assert_allclose(found["count"], np.log([[4, 2, 1, 4]]), rtol=1e-6)
    np.testing.assert_allclose(found["share"], [[3 / 5, 1 / 5, 0, 3 / 5]], rtol=1e-6)
    assert found["last"].numpy().tolist() == [[4, 3, 1, 4]]
    np.testing.assert_allclose(found["length"], np.log([6]), rtol=1e-6)
    np.testing.assert_allclose(found["cates"], np.log([3]), rtol=1e-6)  # 3 and 4.


def test_random_rows_against_loops():
    model = values_of(SPEC)
    graph = traced_once(model)
    for seed, (candidates, time, real) in enumerate(
        [(3, 7, 0.7), (1, 12, 0.3), (2, 0, 1.0), (3, 5, 0.0), (1, 1, 1.0)]
    ):
        x = a_batch(seed, candidates=candidates, time=time, real=real)
        for found in (model(x), graph(x)):
            for name, values in expected(x).items():
                np.testing.assert_allclose(found[name], values, rtol=1e-6, err_msg=name)


def test_ragged_histories():
    x = a_batch()
    lengths = np.array([0, 7, 3, 1, 5, 2])
    is_long = np.arange(7) < lengths[:, None]
    x["hist_item"] = np.where(is_long, np.maximum(x["hist_item"], 1), 0)
    ragged = {
        name: tf.RaggedTensor.from_tensor(values, lengths)
        if name.startswith("hist")
        else tf.constant(values)
        for name, values in x.items()
    }
    found = values_of(SPEC)(ragged)
    for name, values in expected(x).items():
        np.testing.assert_allclose(found[name], values, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("name", ZOO)
def test_padding_changes_no_score(name):
    model = randomized(ZOO[name](SPEC), scale=0.2)
    x = a_batch()
    x["item"] = np.maximum(x["item"], 1)
    plain = score(model, x)
    assert np.isfinite(plain).all()
    rng = np.random.default_rng(1)
    for before, after in ((3, 0), (0, 3), (2, 1)):
        padded = dict(x)
        for each in ("hist_item", "hist_cate", "hist_ago"):
            # Values at padding positions do not matter.
            paddings = ((0, 0), (before, after))
            values = rng.integers(2, 5, (6, 7 + before + after)).astype("int32")
            if each == "hist_item":
                values[:] = 0
            values[:, before : before + 7] = x[each]
            padded[each] = values
        padded["item"] = np.pad(x["item"], ((0, 0), (0, 2)))
        padded["cate"] = np.pad(x["cate"], ((0, 0), (0, 2)), constant_values=3)
        found = score(model, padded)
        np.testing.assert_allclose(found[:, :3], plain, rtol=1e-5, err_msg=str(paddings))
        np.testing.assert_array_equal(found[:, 3:], 0)


@pytest.mark.parametrize("name", TRAINED)
def test_tables_are_trained_and_saved(name, tmp_path):
    """Each row of a table of `LastMatch` gets a gradient, and all is saved."""
    model = randomized(ZOO[name](SPEC), scale=0.2)
    x = a_batch(rows=40)
    assert set(expected(x)["last"].ravel()) == {1, 2, 3, 4, 5}
    weights = np.where(x["item"] != 0, np.random.default_rng(0).random(x["item"].shape), 0)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.constant(weights, tf.float32) * model(x, training=True))
    tables = [w for w in model.trainable_weights if w.path.endswith("_last/embeddings")]
    assert tables
    gradients = tape.gradient(loss, [table.value for table in tables])
    for gradient in gradients:
        assert isinstance(gradient, tf.IndexedSlices)
        assert set(gradient.indices.numpy()) == {1, 2, 3, 4, 5}
        assert (np.abs(gradient.values.numpy()).sum(axis=-1) > 0).any()
    before = score(model, x)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(score(loaded, x), before)


def test_each_number_has_a_weight():
    model = kd.build_lr(SPEC)
    numbers = [name for name in (*MATCHES, *FACTS) if name != "last"]
    weights = {name: model.get_layer(f"weight_{name}") for name in numbers}
    for layer in weights.values():
        layer.set_weights([np.zeros((1, 1), "float32")])
    x = a_batch(rows=40)
    real = x["item"] != 0
    np.testing.assert_array_equal(score(model, x)[real], 0.5)
    for name, layer in weights.items():
        layer.set_weights([np.full((1, 1), 2.0, "float32")])
        values = expected(x)[name]
        values = values if values.ndim == 2 else np.repeat(values[:, None], 3, axis=1)
        ctr = 1 / (1 + np.exp(-2 * values[real]))
        np.testing.assert_allclose(score(model, x)[real], ctr, rtol=1e-5, err_msg=name)
        layer.set_weights([np.zeros((1, 1), "float32")])


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float64"])
def test_other_precisions(policy):
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        model = kd.build_deepfm(SPEC, hidden_units=(4,))
        model.compile(kd.optimizers.LazyAdam(), "binary_crossentropy", run_eagerly=True)
        x = a_batch()
        loss = model.train_on_batch(x, (x["item"] % 2).astype("float32"))
        fields = embed(SPEC).fields
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert np.isfinite(loss)
    assert fields["share"].dtype == policy.removeprefix("mixed_")


def test_one_trace_for_all_lengths():
    model = kd.build_din(SPEC, hidden_units=(4,), attention_units=(4,))
    traces = []
    step = model.train_step
    model.train_step = lambda data: traces.append(1) or step(data)
    compiled(model)

    def batches():
        for time in (3, 0, 20, 7):
            x = a_batch(time, rows=4, candidates=1, time=time)
            yield x, (x["item"] % 2).astype("float32")

    specs = {name: tf.TensorSpec([None] * v.ndim, v.dtype) for name, v in a_batch().items()}
    labels = tf.TensorSpec([None, None], tf.float32)
    data = tf.data.Dataset.from_generator(batches, output_signature=(specs, labels))
    data = data.apply(tf.data.experimental.assert_cardinality(4))
    model.fit(data, shuffle=False, verbose=0)
    assert len(traces) == 1


def test_no_padded_float_tensor():
    rows, time = 11, 37
    model = kd.build_base(SPEC, hidden_units=(4,))
    x = a_batch(rows=rows, candidates=2, time=time)
    signature = {name: tf.TensorSpec(v.shape, v.dtype) for name, v in x.items()}
    step = tf.function(lambda x: model(x, training=True))
    assert float_tensors_of_length(step.get_concrete_function(signature).graph, time, rows) == []


def test_grown_model_compares_new_values():
    matches = {"seen": MATCHES["seen"], "share": MATCHES["share"]}
    spec, new_spec = (a_spec(sizes, matches) for sizes in (SIZES, {"item": 12, "cate": 7}))
    model = randomized(kd.build_lr(spec))
    x = {name: np.minimum(v, 4) for name, v in a_batch().items()}
    before = score(model, x)
    grown = kd.grow(model, spec, new_spec)
    np.testing.assert_array_equal(score(grown, x), before)
    values = keras.Model(grown.inputs, grown.get_layer("number_seen").output)
    new = x | {"item": np.full_like(x["item"], 10), "hist_item": np.full_like(x["hist_item"], 10)}
    assert np.asarray(values(new)).all()
    old = keras.Model(model.inputs, model.get_layer("number_seen").output)
    assert not np.asarray(old(new)).any()
