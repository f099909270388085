"""Encodes raw values as inputs of the model in a graph, one function per feature kind."""

import pathlib

import tensorflow as tf

from keras_din.bucket_index import graph_buckets
from keras_din.features import (
    PADDING_INDEX,
    Bag,
    BagWeights,
    Bucketized,
    Categorical,
    FeatureSpec,
    Numeric,
    SnapshotCount,
    Vector,
    per_kind,
)
from keras_din.serving.graph.lookup_tables import lookup_in_graph


def raw_dtype(feature) -> tf.DType:
    """Returns the dtype of the raw values: string, int64, int32 (indices) or float32 (numbers)."""
    return tf.as_dtype(feature.raw_dtype)


class FeatureEncoder(tf.Module):
    """Encodes raw values with one lookup per embedding table.

    A vocabulary is stored as a text file in the assets of the SavedModel. If its values contain
    line breaks, it is stored in the graph instead.

    Args:
        spec: The features.
        scratch: Folder for the text files. It must exist until the SavedModel is written.
    """

    def __init__(self, spec: FeatureSpec, scratch):
        super().__init__()
        self.lookups = {
            name: lookup_in_graph(table.values, name, pathlib.Path(scratch))
            for name, table in spec.tables.items()
        }
        # Finds the function of each kind now: AutoGraph can't convert the search in its bases.
        for info in spec.inputs.values():
            model_input.dispatch(type(info.feature))
        self.snapshots = {
            feature.name: tf.Variable(
                feature.values, trainable=False, name=f"{feature.name}_values"
            )
            for feature in spec.features.values()
            if isinstance(feature, SnapshotCount)
        }

    def __call__(self, feature, values):
        """Returns the input of a model for raw values.

        Args:
            feature: A feature of the spec.
            values: Tensor of `raw_dtype(feature)`, of any shape.

        Returns:
            Tensor of the same shape. Features with a table give int32 indices: unknown values,
            empty strings, `MISSING_INT64` of hash buckets and indices out of range are
            out-of-vocabulary. After the first `max_values` values of a `Bag` all is padding. Its
            weights give float32, 0 for those that are negative or not finite. A `Numeric` gives
            float32, with its `fill_value` for values that are not finite. A `Vector` gives float32,
            rounded to its `storage`, with zeros for vectors that are not finite then.
        """
        return model_input(feature, values, self)

    def snapshot(self, feature: SnapshotCount, indices):
        """Returns the values of a snapshot for the indices of its key."""
        return tf.gather(self.snapshots[feature.name], indices)

    def indices(self, feature, values):
        """Returns the indices of raw values, for a feature with a table."""
        return self.lookups[feature.table.name](values)

    def with_padding(self, feature, values):
        """Returns the indices, with `PADDING_INDEX` if the raw value is padding."""
        index = self.indices(feature, values)
        if feature.takes_indices:
            return index
        return tf.where(values == feature.padding_value, PADDING_INDEX, index)


@per_kind
def model_input(feature, values, encoder: FeatureEncoder):
    """Returns the input of a model for raw values of a feature, see `FeatureEncoder.__call__`."""


@model_input.register
def _(feature: Categorical, values, encoder: FeatureEncoder):
    return encoder.indices(feature, values)


@model_input.register
def _(feature: Bag, values, encoder: FeatureEncoder):
    indices = encoder.with_padding(feature, values)
    return tf.where(first_values(indices, feature.max_values), indices, PADDING_INDEX)


@model_input.register
def _(feature: Numeric, values, encoder: FeatureEncoder):
    return tf.where(tf.math.is_finite(values), values, feature.fill_value)


@model_input.register
def _(feature: Vector, values, encoder: FeatureEncoder):
    values = tf.cast(tf.cast(values, feature.storage), tf.float32)
    is_known = tf.reduce_all(tf.math.is_finite(values), axis=-1, keepdims=True)
    return tf.where(is_known, values, feature.fill_value)


@model_input.register
def _(feature: Bucketized, values, encoder: FeatureEncoder):
    return graph_buckets(feature, values)


@model_input.register
def _(feature: BagWeights, values, encoder: FeatureEncoder):
    return tf.where(tf.math.is_finite(values) & (values >= 0), values, 0.0)


def first_values(indices, max_values: int):
    """Returns a bool mask `(..., values)` of the first `max_values` valid values of each bag."""
    real = indices != PADDING_INDEX
    return real & (tf.cumsum(tf.cast(real, tf.int32), axis=-1) <= max_values)
