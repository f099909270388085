"""Row-sparse updates of a table in NumPy, and small tables and models to update."""

import keras
import numpy as np
import tensorflow as tf

from keras_din.layers import Embedding

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
