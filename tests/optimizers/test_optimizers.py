"""Row-sparse optimizers against NumPy, row by row, with all options of Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_din.layers import Embedding
from keras_din.optimizers import LazyAdam, LazyAdamW, RowwiseAdagrad
from keras_din.optimizers.row_sparse import deduplicate_rows

ROWS, DIM, STEPS = 9, 3, 12
B1, B2, EPS, RATE = 0.9, 0.999, 1e-7, 0.1
COUNTS = np.array([7, 1, 3, 0, 2, 5, 40, 9, 6])  # A count of 0 is treated as 1.
MBA = {"mini_batch_aware_l2": 0.5, "feature_counts": {"item": COUNTS}}


def a_table(seed=0):
    layer = Embedding(ROWS, DIM, feature="item")
    layer.build()
    layer.embeddings.assign(np.random.default_rng(seed).normal(size=(ROWS, DIM)))
    return layer.embeddings


def batches(seed=0):
    """Returns row indices with duplicates, and one gradient for each."""
    rng = np.random.default_rng(seed)
    for _ in range(STEPS):
        rows = rng.integers(ROWS - 2, size=5)  # Two rows are never in a batch.
        yield rows, rng.normal(size=(5, DIM)).astype("float32")


def slices(rows, values):
    return tf.IndexedSlices(tf.constant(values), tf.constant(rows), tf.constant([ROWS, DIM]))


def summed(rows, values):
    touched = np.unique(rows)
    return {r: values[rows == r].sum(axis=0, dtype="float64") for r in touched}


def regularized(sums, w, strength):
    """Computes Eq. (7) of the DIN paper, row by row."""
    pull = lambda r: strength * w[r] / max(COUNTS[r], 1) if r > 0 else 0.0  # noqa: E731
    return {r: g + pull(r) for r, g in sums.items()}


def numpy_adam(
    table,
    decay=0.0,
    amsgrad=False,
    change=lambda sums: sums,
    rate=lambda t: RATE,
    mini_batch_aware_l2=0.0,
    scale=1.0,
):
    """Computes the lazy rule by a loop over rows."""
    w, m, v, h = table.astype("float64"), *(np.zeros((ROWS, DIM)) for _ in range(3))
    for t, (rows, values) in enumerate(batches(), 1):
        sums = {r: g / scale for r, g in summed(rows, values).items()}
        for r, g in change(regularized(sums, w, mini_batch_aware_l2)).items():
            lr = rate(t)
            w[r] -= lr * decay * w[r] * (r > 0)  # Row 0 is padding.
            m[r] = B1 * m[r] + (1 - B1) * g
            v[r] = B2 * v[r] + (1 - B2) * g**2
            h[r] = np.maximum(h[r], v[r])
            root = np.sqrt(h[r] if amsgrad else v[r])
            w[r] -= lr * np.sqrt(1 - B2**t) / (1 - B1**t) * m[r] / (root + EPS)
    return w


def numpy_adagrad(table, start=0.1, decay=0.0, mini_batch_aware_l2=0.0):
    w, a = table.astype("float64"), np.full(ROWS, start)
    for rows, values in batches():
        for r, g in regularized(summed(rows, values), w, mini_batch_aware_l2).items():
            w[r] -= RATE * decay * w[r] * (r > 0)
            a[r] += np.mean(g**2)
            w[r] -= RATE * g / np.sqrt(a[r] + EPS)
    return w


def train(optimizer, dense=False, table=None):
    table = a_table() if table is None else table
    start = table.numpy().copy()
    for rows, values in batches():
        gradient = slices(rows, values)
        optimizer.apply([tf.convert_to_tensor(gradient) if dense else gradient], [table])
    return start, table.numpy()


def clip_rows(norm):
    """Clips the joint gradient of a step to a norm."""

    def change(sums):
        length = np.sqrt(sum(np.sum(g**2) for g in sums.values()))
        return {r: g * min(1, norm / length) for r, g in sums.items()}

    return change


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


def a_model(optimizer, seed=0):
    keras.utils.set_random_seed(seed)
    ids = keras.Input((4,), dtype="int32")
    x = keras.layers.GlobalAveragePooling1D()(Embedding(50, 4, feature="item")(ids))
    model = keras.Model(ids, keras.layers.Dense(1, "sigmoid")(x))
    model.compile(optimizer, "binary_crossentropy")
    return model


def some_rows(seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(50, size=(64, 4)), rng.integers(2, size=(64, 1)).astype("float32")


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
