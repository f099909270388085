"""Mini-batch aware regularization: its rows and counts, saving and loading."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.data import synthetic_log
from keras_din.layers import Embedding
from keras_din.optimizers import LazyAdam, LazyAdamW, RowwiseAdagrad
from keras_din.optimizers.row_sparse import is_table
from tests.optimizers.shared import (
    COUNTS,
    DIM,
    MBA,
    RATE,
    ROWS,
    a_model,
    a_table,
    slices,
    some_rows,
    train,
)

ALL = [LazyAdam, LazyAdamW, RowwiseAdagrad]


def step(optimizer, rows, values):
    """Returns a table before and after one step."""
    table = a_table()
    before = table.numpy().copy()
    optimizer.apply([slices(rows, np.asarray(values, "float32"))], [table])
    return before, table.numpy()


def test_one_step_adds_weight_over_count():
    """With an accumulator of 0, Adagrad's step is `lr g / sqrt(mean(g^2))`."""
    optimizer = RowwiseAdagrad(RATE, initial_accumulator_value=0.0, epsilon=0.0, **MBA)
    ones = np.ones((3, DIM), "float32")
    before, after = step(optimizer, [2, 6, 2], ones)
    for row, n, g in ((2, 3, 2.0), (6, 40, 1.0)):
        gradient = g + 0.5 * before[row] / n
        expected = before[row] - RATE * gradient / np.sqrt(np.mean(gradient**2))
        np.testing.assert_allclose(after[row], expected, rtol=1e-5)
    absent = [0, 1, 3, 4, 5, 7, 8]
    np.testing.assert_array_equal(after[absent], before[absent])


@pytest.mark.parametrize("build", ALL)
def test_row_of_the_batch_decays_even_with_zero_gradient(build):
    before, after = step(build(0.01, **MBA), [4], np.zeros((1, DIM)))
    assert (np.abs(after[4]) < np.abs(before[4])).all()
    untouched = np.arange(ROWS) != 4
    np.testing.assert_array_equal(after[untouched], before[untouched])


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("build", ALL)
def test_padding_row_never_changes(build, dense):
    layer = Embedding(ROWS, DIM, "ones", feature="item")
    optimizer = build(RATE, **MBA)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(np.array([[3, 0], [0, 5]])) ** 2)
    gradient = tape.gradient(loss, layer.embeddings.value)
    if dense:
        gradient = tf.convert_to_tensor(gradient)
    optimizer.weight_decay = None  # Without the decay of AdamW, which this test does not check.
    optimizer.apply([gradient], [layer.embeddings])
    moved = (layer.embeddings.numpy() != 1).any(axis=1)
    assert np.flatnonzero(moved).tolist() == [3, 5]


def test_dense_gradient_regularizes_nonzero_rows():
    """Gradients are dense on other backends, or if another term makes them dense."""
    sparse = train(RowwiseAdagrad(RATE, **MBA))[1]
    np.testing.assert_allclose(train(RowwiseAdagrad(RATE, **MBA), dense=True)[1], sparse, rtol=1e-5)


def test_only_the_table_with_counts_is_regularized():
    """Tables without counts, and other variables, are not regularized."""
    ends = {}
    for name, extra in (("plain", {}), ("with", MBA)):
        other = Embedding(ROWS, DIM, "ones", feature="other")
        other.build()
        kernel, table = keras.Variable(np.ones((ROWS, DIM), "float32")), a_table()
        gradient = slices([1, 2], np.ones((2, DIM), "float32"))
        LazyAdam(RATE, epsilon=1.0, **extra).apply(
            [gradient, gradient, tf.convert_to_tensor(gradient)],
            [table, other.embeddings, kernel],
        )
        ends[name] = [v.numpy() for v in (table, other.embeddings, kernel)]
    np.testing.assert_array_equal(ends["with"][1], ends["plain"][1])
    np.testing.assert_array_equal(ends["with"][2], ends["plain"][2])
    assert (ends["with"][0][1:3] != ends["plain"][0][1:3]).any()


def test_two_tables_of_one_feature_share_its_counts():
    tables = [a_table(), a_table()]
    optimizer = LazyAdam(RATE, **MBA)
    optimizer.build(tables)
    for variable in optimizer._feature_counts:
        np.testing.assert_array_equal(variable.numpy(), [0, 1, 3, 1, 2, 5, 40, 9, 6])


def test_counts_are_replaced():
    other = Embedding(4, DIM, feature="other")
    other.build()
    tables, kernel = [a_table(), a_table(), other.embeddings], keras.Variable(np.ones((2, 2)))
    optimizer = LazyAdam(RATE, **MBA)
    with pytest.raises(ValueError, match=r"has been built.* Received: .*=0.5, built=False"):
        optimizer.set_feature_counts({"item": np.arange(ROWS)})
    optimizer.build([*tables, kernel])
    optimizer.set_feature_counts({"item": np.arange(ROWS) * 10})
    *of_item, of_other, of_kernel = optimizer._feature_counts
    for variable in of_item:
        np.testing.assert_array_equal(variable, [0, 10, 20, 30, 40, 50, 60, 70, 80])
    np.testing.assert_array_equal(of_other, np.zeros(4))
    assert of_kernel is None
    optimizer.add_feature_counts({"item": np.full(ROWS, 3)})
    for variable in of_item:
        np.testing.assert_array_equal(variable, [0, 13, 23, 33, 43, 53, 63, 73, 83])
    np.testing.assert_array_equal(of_other, np.zeros(4))
    with pytest.raises(ValueError, match=r"`add_feature_counts` must .*=None, built=False"):
        LazyAdam().add_feature_counts({})
    with pytest.raises(ValueError, match=r"must have a trainable table.* Received: \['no'\]"):
        optimizer.set_feature_counts({"no": np.arange(3)})
    with pytest.raises(ValueError, match=r"each of the 9 rows of its table. Received: 3 entries"):
        optimizer.set_feature_counts({"item": np.arange(3)})
    loaded = LazyAdam.from_config(optimizer.get_config())
    loaded.build(tables)
    loaded.set_feature_counts({"item": np.arange(ROWS)})
    loaded.apply([slices([1], np.ones((1, DIM), "float32"))] * 3, tables)  # It has counts.


@pytest.mark.parametrize("build", ALL)
def test_training_continues_after_save_and_load(build, tmp_path):
    x, y = some_rows()
    extra = {"mini_batch_aware_l2": 0.5, "feature_counts": {"item": np.arange(50)}}
    through, stopped = a_model(build(0.1, **extra)), a_model(build(0.1, **extra))
    plain = a_model(build(0.1))
    for model, steps in ((through, 3), (stopped, 2), (plain, 3)):
        for i in range(steps):
            model.train_on_batch(x[i * 16 : i * 16 + 16], y[i * 16 : i * 16 + 16])
    stopped.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.get_config()["mini_batch_aware_l2"] == 0.5
    loaded.train_on_batch(x[32:48], y[32:48])
    for a, b in zip(through.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(through.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert (through.get_weights()[0] != plain.get_weights()[0]).any()


def test_counts_are_not_in_the_config():
    config = LazyAdam(RATE, **MBA).get_config()
    assert config["mini_batch_aware_l2"] == 0.5
    assert "feature_counts" not in config
    assert LazyAdam(RATE).get_config()["mini_batch_aware_l2"] is None


def test_counts_are_in_weights_of_the_optimizer():
    first, second = LazyAdam(RATE, **MBA), LazyAdam.from_config(LazyAdam(RATE, **MBA).get_config())
    table = a_table()
    for optimizer in (first, second):
        optimizer.build([table])
    second.set_weights([variable.numpy() for variable in first.variables])
    second.apply([slices([2], np.ones((1, DIM), "float32"))], [table])
    np.testing.assert_array_equal(
        second._feature_counts[0].numpy(), first._feature_counts[0].numpy()
    )


def test_mixed_precision_with_save_and_load(tmp_path):
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        model = a_model(
            LazyAdam(0.01, mini_batch_aware_l2=0.1, feature_counts={"item": np.arange(50)})
        )
        x, y = some_rows()
        model.train_on_batch(x, y)
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    for each in (model, loaded):
        assert isinstance(each.optimizer, keras.optimizers.LossScaleOptimizer)
        each.train_on_batch(x, y)
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_counts_of_prepared_data_fit_tables_of_a_model():
    data = synthetic_log(users=30, categories=5)
    model = kd.build_din(data.spec)
    counts = data.feature_counts("train")
    optimizer = kd.optimizers.LazyAdam(1e-3, mini_batch_aware_l2=0.01, feature_counts=counts)
    model.compile(optimizer, kd.losses.BinaryCrossentropy())
    model.fit(data.dataset("train"), epochs=1, shuffle=False, verbose=0)
    tables = [variable for variable in model.trainable_variables if is_table(variable)]
    assert {table.feature for table in tables} == set(counts)
    for table in tables:
        held = optimizer._feature_counts[optimizer._get_variable_index(table)].numpy()
        np.testing.assert_array_equal(held[1:], np.maximum(counts[table.feature], 1)[1:])
        assert held[0] == 0


@pytest.mark.parametrize(
    "arguments, text",
    [
        (
            {"mini_batch_aware_l2": 0.1},
            "`mini_batch_aware_l2` and `feature_counts` must be given together: .* "
            "Received: mini_batch_aware_l2=0.1, feature_counts=None",
        ),
        (
            {"mini_batch_aware_l2": 0.1, "feature_counts": [1, 2]},
            r"`feature_counts` must be a dict of .* Received: feature_counts=\[1, 2\]",
        ),
        ({"feature_counts": 5}, "`feature_counts` must be a dict of .* Received: feature_counts=5"),
        (
            {"feature_counts": {"item": COUNTS}},
            r"must be given together: .* mini_batch_aware_l2=None, feature_counts=\['item'\]",
        ),
        (
            {"mini_batch_aware_l2": -0.1, "feature_counts": {}},
            "`mini_batch_aware_l2` must be a number of at least 0, or None. "
            ".*mini_batch_aware_l2=-0.1",
        ),
        ({"mini_batch_aware_l2": float("nan"), "feature_counts": {}}, "mini_batch_aware_l2=nan"),
        ({"mini_batch_aware_l2": True, "feature_counts": {}}, "mini_batch_aware_l2=True"),
        (
            {"mini_batch_aware_l2": 0.1, "feature_counts": {"item": [0.5, 1.0]}},
            r"`feature_counts` of 'item' must be a vector of non-negative integers.*: \[0.5 1. \]",
        ),
        ({"mini_batch_aware_l2": 0.1, "feature_counts": {"item": [2, -1]}}, r"Received: \[ 2 -1\]"),
        (
            {"mini_batch_aware_l2": 0.1, "feature_counts": {"item": [[2, 1]]}},
            r"Received: \[\[2 1\]\]",
        ),
    ],
)
@pytest.mark.parametrize("build", ALL)
def test_invalid_arguments(build, arguments, text):
    with pytest.raises(ValueError, match=text):
        build(RATE, **arguments)


@pytest.mark.parametrize(
    "feature_counts, text",
    [
        (
            {"item": COUNTS, "cate": COUNTS},
            r"Each feature of `feature_counts` must have a trainable table, one of "
            r"\['item'\]\. Received: \['cate'\]",
        ),
        (
            {"item": COUNTS[1:]},
            "`feature_counts` of 'item' must have one entry for each of the 9 rows of its table. "
            "Received: 8 entries",
        ),
    ],
)
@pytest.mark.parametrize("build", ALL)
def test_counts_without_a_fitting_table_are_refused_by_build(build, feature_counts, text):
    optimizer = build(RATE, mini_batch_aware_l2=0.1, feature_counts=feature_counts)
    for _ in range(2):  # The second call fails too.
        with pytest.raises(ValueError, match=text):
            optimizer.build([a_table()])
    assert not optimizer.built


@pytest.mark.parametrize("build", ALL)
def test_optimizer_from_config_requires_its_state(build):
    optimizer = build.from_config(build(RATE, **MBA).get_config())
    text = r"must load its saved state before .* Received: mini_batch_aware_l2=0.5 without"
    with pytest.raises(ValueError, match=text):
        train(optimizer)
