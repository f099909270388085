"""Embedding tables in int8, with a scale per row: about a quarter of the size."""

import contextlib
import functools

import keras
import numpy as np
import tensorflow as tf

from keras_din.features import PADDING_INDEX, FeatureSpec, id_feature
from keras_din.layers import Embedding
from keras_din.metrics import gauc
from keras_din.serving.graph.float32_layers import float32_inference, traced_once
from keras_din.serving.sample_rows import sample_rows
from keras_din.trace_context import tracing


def quantized(table) -> tuple:
    """`round(127 x / max|x|)` of each row, and what to multiply it with.

    Args:
        table: Float array `(rows, dim)`.

    Returns:
        `(values, scales)`: int8 `(rows, dim)` and float32 `(rows,)`; `values * scales` differs
        from the table by at most half a scale. A row of zeros stays one.
    """
    table = np.asarray(table, np.float32)
    scales = np.abs(table).max(axis=1) / np.float32(127)
    scales = np.where(scales > 0, scales, np.float32(1))
    return np.round(table / scales[:, None]).astype(np.int8), scales


class Int8Tables:
    """The tables of a model as they are now, in int8.

    Args:
        model: A functional model. Its weights stay as they are.

    Raises:
        ValueError: When a table holds NaN or infinity, or there is no table.
    """

    def __init__(self, model: keras.Model):
        self.model = model
        self.tables = []
        for layer in model._flatten_layers():
            if isinstance(layer, Embedding):
                values, scales = quantized(_finite(layer))
                values = tf.Variable(values, trainable=False, name="int8_values")
                scales = tf.Variable(scales, trainable=False, name="int8_scales")
                self.tables.append((layer, values, scales))
        if not self.tables:
            raise ValueError(
                "A model with tables in int8 must have a `keras_din.layers.Embedding`. "
                f"Received: {model.name!r} without one."
            )
        self._function = traced_once(model)

    @contextlib.contextmanager
    def in_use(self):
        """A block in which the calling thread traces or calls the model with these tables.

        Only the rows of the batch become floats. What was traced before stays as it is.
        """
        lookups = {
            layer: functools.partial(_gather, values, scales)
            for layer, values, scales in self.tables
        }
        with float32_inference(self.model), tracing(lookups=lookups):
            yield

    def ctr(self, x):
        """`ctr` `(batch, candidates)` of the model with these tables."""
        with self.in_use():
            return self._function(x).numpy()


def _finite(layer) -> np.ndarray:
    """The table of a layer, or a `ValueError` that names it."""
    table = np.asarray(layer.embeddings.numpy(), np.float32)
    (rows,) = np.nonzero(~np.isfinite(table).all(axis=1))
    if len(rows):
        raise ValueError(
            f"The table {layer.name!r} must be finite to be kept in int8. "
            f"Received: NaN or infinity in {len(rows)} of {len(table)} rows, the first {rows[0]}."
        )
    return table


def _gather(values, scales, rows):
    scale = tf.expand_dims(tf.gather(scales, rows), -1)
    return tf.cast(tf.gather(values, rows), tf.float32) * scale


def quantization_report(spec: FeatureSpec, live, int8, test=None) -> dict:
    """How far int8 tables are from the floats, for `keras_din.json`.

    Args:
        spec: The features.
        live: Function from the model's inputs to `ctr`.
        int8: The same with int8 tables.
        test: A data set as of `keras_din.data.dataset`, with `groups`, or `None`.

    Returns:
        `largest_difference` of `ctr` on sample rows; with `test` that on its rows too, both
        `gauc`s, and `gauc_loss`, the one less the other.
    """
    x = sample_rows(spec).indices
    real = x[id_feature(spec.target).name] != PADDING_INDEX
    found = {"largest_difference": float(np.abs(int8(x) - live(x))[real].max())}
    if test is None:
        return found
    labels, scores, sizes = [], ([], []), []
    for x, y, *weight in test.as_numpy_iterator():
        real = weight[0] != 0 if weight else np.ones(y.shape, bool)
        labels.append(y[real])
        sizes.append(real.sum(axis=1))
        for part, function in zip(scores, (live, int8), strict=True):
            part.append(np.asarray(function(x))[real])
    labels, (floats, ints) = np.concatenate(labels), map(np.concatenate, scores)
    groups = np.repeat(test.groups, np.concatenate(sizes))
    before, after = gauc(labels, floats, groups), gauc(labels, ints, groups)
    return found | {
        "largest_difference_on_test": float(np.abs(ints - floats).max()),
        "gauc_float32": before,
        "gauc_int8": after,
        "gauc_loss": before - after,
    }
