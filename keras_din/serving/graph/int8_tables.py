"""Embedding tables in int8, with a scale per row: about a quarter of the size."""

import contextlib
import functools

import keras
import numpy as np
import tensorflow as tf

from keras_din.features import PADDING_INDEX, FeatureSpec, id_feature
from keras_din.layers import Embedding
from keras_din.metrics import gauc, root_mean_squared_error
from keras_din.ops.quantize_rows import quantize_rows
from keras_din.outputs import by_output, output_differences, prefixed_metrics
from keras_din.serving.graph.float32_layers import float32_inference, traced_once
from keras_din.serving.sample_rows import sample_rows
from keras_din.trace_context import tracing


class Int8Tables:
    """Copies of the current embedding tables of a model, in int8.

    Args:
        model: A functional model. Its weights do not change.

    Raises:
        ValueError: If a table contains NaN or infinity, or if there is no table.
    """

    def __init__(self, model: keras.Model):
        self.model = model
        self.tables = []
        for layer in model._flatten_layers():
            if isinstance(layer, Embedding):
                parts = _quantized_shards(layer)
                values, scales = map(layer.row_shards.join, zip(*parts, strict=True))
                names = (f"{layer.name}/int8_values", f"{layer.name}/int8_scales")
                values = tf.Variable(values, trainable=False, name=names[0])
                scales = tf.Variable(scales, trainable=False, name=names[1])
                self.tables.append((layer, values, scales))
        if not self.tables:
            raise ValueError(
                "A model with tables in int8 must have a `keras_din.layers.Embedding`. "
                f"Received: {model.name!r} without one."
            )
        self._function = traced_once(model)

    @contextlib.contextmanager
    def in_use(self):
        """A context in which the calling thread traces or calls the model with these tables.

        Only the rows of the batch are converted to floats. Functions that are already traced do
        not change.
        """
        lookups = {
            layer: functools.partial(_gather, values, scales)
            for layer, values, scales in self.tables
        }
        with float32_inference(self.model), tracing(lookups=lookups):
            yield

    def outputs(self, x):
        """Returns the output, or the dict of outputs, of the model with these tables."""
        with self.in_use():
            return tf.nest.map_structure(lambda values: values.numpy(), self._function(x))


def _quantized_shards(layer) -> list:
    """Returns `quantize_rows` of each shard of a table: no two shards are in memory as floats.

    Raises:
        ValueError: If the table contains NaN or infinity.
    """
    parts, wrong = [], []
    for shard, variable in enumerate(layer.embedding_shards):
        table = np.asarray(variable.numpy(), np.float32)
        (places,) = np.nonzero(~np.isfinite(table).all(axis=1))
        wrong += [int(place) * layer.shards + shard for place in places]
        parts.append(None if wrong else quantize_rows(table))
    if wrong:
        raise ValueError(
            f"The table {layer.name!r} must be finite to be kept in int8. Received: NaN or "
            f"infinity in {len(wrong)} of {layer.vocabulary_size} rows, the first {min(wrong)}."
        )
    return parts


def _gather(values, scales, rows):
    scale = tf.expand_dims(tf.gather(scales, rows), -1)
    return tf.cast(tf.gather(values, rows), tf.float32) * scale


def quantization_report(spec: FeatureSpec, live, int8, test=None) -> dict:
    """Returns the differences between int8 tables and float tables, for `keras_din.json`.

    Args:
        spec: The features.
        live: Function from the inputs of the model to its output, or to a dict of its outputs.
        int8: The same function with int8 tables.
        test: A dataset with `groups`, see `keras_din.data.dataset`, or `None`.

    Returns:
        Dict of `largest_difference` on sample rows. With `test` it also contains
        `largest_difference_on_test`, `gauc_float32`, `gauc_int8` and `gauc_loss`, which is the
        decrease of the GAUC. For an output that is a number they are `rmse_float32`, `rmse_int8`
        and `rmse_loss`, the increase. With several outputs, the last three keys start with the
        name of the output.
    """
    x = sample_rows(spec).indices
    real = x[id_feature(spec.target).name] != PADDING_INDEX
    floats, ints = (_real_outputs(function(x), spec, real) for function in (live, int8))
    found = {"largest_difference": _largest_difference(floats, ints)}
    if test is None:
        return found
    parts, sizes = [], []
    for x, y, *weight in test.as_numpy_iterator():
        x = {name: x[name] for name in spec.inputs}  # The dataset may have a position.
        shape = next(iter(by_output(y, spec.outputs).values())).shape
        real = np.ones(shape, bool)
        if weight and isinstance(
            weight[0], dict
        ):  # The label of an output with weight 0 is missing.
            y = {name: np.where(weight[0][name] != 0, values, np.nan) for name, values in y.items()}
            real = np.any([each != 0 for each in weight[0].values()], axis=0)
        elif weight:
            real = weight[0] != 0
        sizes.append(real.sum(axis=1))
        parts.append([_real_outputs(each, spec, real) for each in (y, live(x), int8(x))])
    groups = np.repeat(test.groups, np.concatenate(sizes))
    labels, floats, ints = (
        {name: np.concatenate([part[name] for part in each]) for name in spec.outputs}
        for each in zip(*parts, strict=True)
    )
    of_outputs = {}
    for name in spec.outputs:
        known = ~np.isnan(labels[name])
        y_true, before, after = (each[name][known] for each in (labels, floats, ints))
        if name in spec.number_outputs:
            metric, more = "rmse", 1
            before, after = (root_mean_squared_error(y_true, each) for each in (before, after))
        else:
            metric, more = "gauc", -1
            before, after = (gauc(y_true, each, groups[known]) for each in (before, after))
        of_outputs[name] = {
            f"{metric}_float32": before,
            f"{metric}_int8": after,
            f"{metric}_loss": more * (after - before),
        }
    found["largest_difference_on_test"] = _largest_difference(floats, ints)
    return found | prefixed_metrics(of_outputs)


def _real_outputs(outputs, spec: FeatureSpec, real) -> dict:
    """Returns output name -> values of the valid candidates."""
    by_name = by_output(outputs, spec.outputs)
    return {name: np.asarray(values)[real] for name, values in by_name.items()}


def _largest_difference(floats: dict, ints: dict) -> float:
    return max(
        float(output_differences(ints[name], values).max()) for name, values in floats.items()
    )
