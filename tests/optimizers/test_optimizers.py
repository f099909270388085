"""Row-sparse optimizers against NumPy, row by row, with all options of Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_din.layers import Embedding
from keras_din.optimizers import LazyAdam, LazyAdamW, RowwiseAdagrad
from keras_din.optimizers.row_sparse import deduplicate_rows
from tests.optimizers.shared import (
    B1,
    B2,
    DIM,
    EPS,
    MBA,
    RATE,
    ROWS,
    a_model,
    a_table,
    batches,
    clip_rows,
    numpy_adagrad,
    numpy_adam,
    slices,
    some_rows,
    train,
)


@pytest.mark.parametrize(
    "optimizer, expected",
    [
        (lambda: LazyAdam(RATE), numpy_adam),
        (lambda: LazyAdam(RATE, amsgrad=True), lambda w: numpy_adam(w, amsgrad=True)),
        (lambda: LazyAdam(RATE, weight_decay=0.3), lambda w: numpy_adam(w, decay=0.3)),
        (lambda: LazyAdamW(RATE, weight_decay=0.3), lambda w: numpy_adam(w, decay=0.3)),
        (lambda: LazyAdam(RATE, clipnorm=0.5), lambda w: numpy_adam(w, change=clip_rows(0.5))),
        (
            lambda: LazyAdam(RATE, global_clipnorm=0.5),
            lambda w: numpy_adam(w, change=clip_rows(0.5)),
        ),
        (
            lambda: LazyAdam(RATE, clipvalue=0.2),
            lambda w: numpy_adam(
                w, change=lambda sums: {r: np.clip(g, -0.2, 0.2) for r, g in sums.items()}
            ),
        ),
        (
            lambda: LazyAdam(RATE, loss_scale_factor=4.0),
            lambda w: numpy_adam(w, scale=4.0),
        ),
        (
            lambda: LazyAdam(keras.optimizers.schedules.InverseTimeDecay(RATE, 1, 0.5)),
            lambda w: numpy_adam(w, rate=lambda t: RATE / (1 + 0.5 * (t - 1))),
        ),
        (lambda: LazyAdam(RATE, **MBA), lambda w: numpy_adam(w, mini_batch_aware_l2=0.5)),
        (
            lambda: LazyAdam(RATE, amsgrad=True, weight_decay=0.3, **MBA),
            lambda w: numpy_adam(w, decay=0.3, amsgrad=True, mini_batch_aware_l2=0.5),
        ),
        (
            lambda: LazyAdamW(RATE, weight_decay=0.3, **MBA),
            lambda w: numpy_adam(w, decay=0.3, mini_batch_aware_l2=0.5),
        ),
        (  # First unscaled, then regularized, then clipped.
            lambda: LazyAdam(RATE, loss_scale_factor=4.0, clipnorm=0.5, **MBA),
            lambda w: numpy_adam(w, scale=4.0, change=clip_rows(0.5), mini_batch_aware_l2=0.5),
        ),
        (
            lambda: LazyAdam(RATE, global_clipnorm=0.5, **MBA),
            lambda w: numpy_adam(w, change=clip_rows(0.5), mini_batch_aware_l2=0.5),
        ),
        (lambda: RowwiseAdagrad(RATE), numpy_adagrad),
        (lambda: RowwiseAdagrad(RATE, **MBA), lambda w: numpy_adagrad(w, mini_batch_aware_l2=0.5)),
        (lambda: RowwiseAdagrad(RATE, weight_decay=0.3), lambda w: numpy_adagrad(w, decay=0.3)),
    ],
)
def test_steps_match_numpy(optimizer, expected):
    start, end = train(optimizer())
    np.testing.assert_allclose(end, expected(start), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(end[-2:], start[-2:])  # These rows are never in a batch.


@pytest.mark.parametrize("build", [LazyAdam, LazyAdamW, RowwiseAdagrad])
def test_dense_gradient_uses_the_rule_of_keras(build):
    base = {"LazyAdam": "Adam", "LazyAdamW": "AdamW", "RowwiseAdagrad": "Adagrad"}[build.__name__]
    ends = []
    for make in (build, getattr(keras.optimizers, base)):
        variable = keras.Variable(a_table().numpy())  # Not a table of this library.
        ends.append(train(make(RATE), dense=True, table=variable)[1])
    if build is RowwiseAdagrad:
        np.testing.assert_allclose(*ends, rtol=1e-6)
        return
    # Keras is less exact: it rounds 1 - beta^t and 1 - beta differently.
    exact = dense_adam(a_table().numpy(), decay=0.004 if build is LazyAdamW else 0.0)
    np.testing.assert_allclose(*ends, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(ends[0], exact, rtol=1e-5, atol=1e-6)


def dense_adam(table, decay):
    """Computes Adam's rule for all rows in float64, after weight decay."""
    w, m, v = table.astype("float64"), np.zeros((ROWS, DIM)), np.zeros((ROWS, DIM))
    for t, (rows, values) in enumerate(batches(), 1):
        g = np.zeros((ROWS, DIM))
        np.add.at(g, rows, values)
        w -= RATE * decay * w
        m = B1 * m + (1 - B1) * g
        v = B2 * v + (1 - B2) * g**2
        step = RATE * np.sqrt(1 - B2**t) / (1 - B1**t)
        w -= step * m / (np.sqrt(v) + EPS)
    return w


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: LazyAdamW(RATE),
        lambda: LazyAdamW(RATE, weight_decay=0.3, amsgrad=True, **MBA),
        lambda: LazyAdam(RATE, weight_decay=0.3, clipnorm=1.0),
        lambda: LazyAdam(RATE, weight_decay=0.3, loss_scale_factor=4.0),
        lambda: RowwiseAdagrad(RATE, weight_decay=0.3, **MBA),
    ],
)
def test_padding_row_never_changes(optimizer, dense):
    """Padding is looked up with gradient 0; other rows decay, the padding row does not."""
    table, optimizer = a_table(), optimizer()
    start = table.numpy().copy()
    for _ in range(4):
        gradient = slices([0, 2, 0], np.float32([[0] * DIM, [1] * DIM, [0] * DIM]))
        gradient = tf.convert_to_tensor(gradient) if dense else gradient
        optimizer.apply([gradient], [table])
    np.testing.assert_array_equal(table.numpy()[0], start[0])
    np.testing.assert_array_equal(table.numpy()[3:], start[3:])
    assert (table.numpy()[2] != start[2]).all()


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("build", [LazyAdamW, RowwiseAdagrad])
def test_table_decays_once_per_step(build, dense):
    expected = {LazyAdamW: numpy_adam, RowwiseAdagrad: numpy_adagrad}[build]
    optimizer = build(RATE, weight_decay=0.3, **({"amsgrad": True} if build is LazyAdamW else {}))
    start, end = train(optimizer, dense)
    if build is RowwiseAdagrad:
        np.testing.assert_allclose(end, expected(start, decay=0.3), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(end[-2:], start[-2:])  # Their gradient is 0.


def test_training_a_model_keeps_the_padding_row():
    model = a_model(LazyAdamW(0.1, use_ema=True))
    x, y = some_rows()
    x[:, :2] = 0
    table = next(weight for weight in model.weights if "embeddings" in weight.path)
    start = table.numpy()[0].copy()
    model.fit(x, y, epochs=2, batch_size=16, verbose=0)
    # Keras has replaced the weights by averages, with rounding.
    np.testing.assert_allclose(table.numpy()[0], start, rtol=1e-6)


def test_lazy_adam_keeps_rows_that_adam_changes():
    """Adam changes rows that are not in the batch, by their remaining momentum."""
    ends = {}
    for make in (LazyAdam, keras.optimizers.Adam):
        table, optimizer = a_table(), make(RATE)
        optimizer.apply([slices([1], np.ones((1, DIM), "float32"))], [table])
        after_one = table.numpy().copy()
        optimizer.apply([slices([2], np.ones((1, DIM), "float32"))], [table])
        ends[make] = np.abs(table.numpy()[1] - after_one[1]).max()
    assert ends[LazyAdam] == 0
    assert ends[keras.optimizers.Adam] > 0.01


def test_one_accumulator_per_row():
    table, kernel = a_table(), keras.Variable(np.ones((4, 2), "float32"))
    optimizer = RowwiseAdagrad(RATE)
    optimizer.build([table, kernel])
    assert [tuple(a.shape) for a in optimizer._accumulators] == [(ROWS,), (4, 2)]


def test_gradients_of_equal_rows_are_summed():
    gradient = deduplicate_rows(slices([4, 2, 4], np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], "f")))
    assert gradient.indices.numpy().tolist() == [4, 2]
    assert gradient.values.numpy().tolist() == [[8, 10, 12], [4, 5, 6]]


@pytest.mark.parametrize("build", [LazyAdam, LazyAdamW, RowwiseAdagrad])
def test_gradient_accumulation_is_refused(build):
    with pytest.raises(ValueError, match="`gradient_accumulation_steps` must be None"):
        build(RATE, gradient_accumulation_steps=2)


FIFTY = {"mini_batch_aware_l2": 0.1, "feature_counts": {"item": np.arange(50)}}
OPTIMIZERS = [
    lambda: LazyAdam(0.01),
    lambda: LazyAdamW(0.01, global_clipnorm=1.0),
    lambda: LazyAdam(0.01, use_ema=True, ema_momentum=0.9),
    lambda: RowwiseAdagrad(0.1, clipnorm=1.0),
    lambda: LazyAdam(0.01, clipnorm=1.0, **FIFTY),
    lambda: LazyAdamW(0.01, amsgrad=True, use_ema=True, **FIFTY),
    lambda: RowwiseAdagrad(0.1, **FIFTY),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_save_load_and_continue(optimizer, tmp_path):
    x, y = some_rows()
    through, stopped = a_model(optimizer()), a_model(optimizer())
    fit = lambda model, epochs: model.fit(  # noqa: E731
        x, y, epochs=epochs, batch_size=16, shuffle=False, verbose=0
    )
    fit(through, 4)
    fit(stopped, 2)
    stopped.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.get_config() == stopped.optimizer.get_config()
    fit(loaded, 2)
    if not loaded.optimizer.use_ema:  # With EMA, Keras replaces the weights by averages at the end.
        for a, b in zip(through.get_weights(), loaded.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)


def test_mixed_precision_with_loss_scaling():
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        model = a_model(LazyAdam(0.01))
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    x, y = some_rows()
    before = model.evaluate(x, y, verbose=0)
    model.fit(x, y, epochs=20, batch_size=16, verbose=0)
    assert model.evaluate(x, y, verbose=0) < before - 0.05


@pytest.mark.parametrize(
    "optimizer",
    [*OPTIMIZERS[:2], OPTIMIZERS[3], lambda: LazyAdam(0.01, weight_decay=0.1, clipvalue=1.0)]
    + [
        lambda build=build: build(
            0.01, mini_batch_aware_l2=0.1, feature_counts={"item": [3] * 40_009}
        )
        for build in (LazyAdam, LazyAdamW, RowwiseAdagrad)
    ],
)
def test_graph_has_no_tensor_of_the_size_of_the_table(optimizer):
    rows = 40_009  # A size that is unique in the graph.
    layer = Embedding(rows, 4, feature="item")
    layer.build()
    optimizer = optimizer()
    optimizer.build([layer.embeddings])

    @tf.function
    def step(ids):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(ids) ** 2)
        gradient = tape.gradient(loss, layer.embeddings.value)
        optimizer.apply([gradient], [layer.embeddings])

    def large(graph):
        return [
            f"{operation.type} {tensor.name}"
            for operation in graph.get_operations()
            for tensor in operation.outputs
            if tensor.dtype.is_floating and rows in (tensor.shape or ())
        ]

    graph = step.get_concrete_function(tf.TensorSpec((None,), tf.int32)).graph
    assert large(graph) == []
    # Counter-check: the graph of Keras' Adam has such tensors.
    optimizer = keras.optimizers.Adam()
    optimizer.build([layer.embeddings])
    step = tf.function(step.python_function)
    assert large(step.get_concrete_function(tf.TensorSpec((None,), tf.int32)).graph)
