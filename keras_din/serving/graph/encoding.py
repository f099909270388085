"""Makes the model's inputs from raw values in a graph, one function per kind of feature."""

import pathlib

import tensorflow as tf

from keras_din.features import (
    PADDING_INDEX,
    Bag,
    Categorical,
    FeatureSpec,
    Numeric,
    per_kind,
)
from keras_din.serving.graph.lookup_tables import lookup_in_graph


def raw_dtype(feature) -> tf.DType:
    """The type of a feature's raw values: strings, int64, int32 indices or float32 numbers."""
    return tf.as_dtype(feature.raw_dtype)


class FeatureEncoder(tf.Module):
    """The lookups of a spec, one per table.

    A vocabulary is a text file among the assets of a SavedModel. One with line breaks in its
    values is a part of the graph.

    Args:
        spec: The features.
        scratch: Folder for the text files, which must exist until the SavedModel is written.
    """

    def __init__(self, spec: FeatureSpec, scratch):
        super().__init__()
        self.lookups = {
            name: lookup_in_graph(table.values, name, pathlib.Path(scratch))
            for name, table in spec.tables.items()
        }

    def __call__(self, feature, values):
        """The input of a model for raw values.

        Args:
            feature: A feature of the spec.
            values: Tensor of `raw_dtype(feature)`, of any shape.

        Returns:
            int32 indices, of the same shape: unknown values, empty strings, `MISSING_INT64` of hash
            buckets and indices out of range are out-of-vocabulary. Of a `Bag` the first
            `max_values` values, and padding elsewhere. Of a `Numeric` float32, its mean where it is
            not finite.
        """
        return model_input(feature, values, self)

    def indices(self, feature, values):
        """The indices of the raw values of a feature with a table."""
        return self.lookups[feature.table.name](values)

    def with_padding(self, feature, values):
        """The same, and `PADDING_INDEX` where the raw value is padding."""
        index = self.indices(feature, values)
        if feature.takes_indices:
            return index
        return tf.where(values == feature.padding_value, PADDING_INDEX, index)


@per_kind
def model_input(feature, values, encoder: FeatureEncoder):
    """The input of a model for raw values of a feature, see `FeatureEncoder.__call__`."""


@model_input.register
def _(feature: Categorical, values, encoder: FeatureEncoder):
    return encoder.indices(feature, values)


@model_input.register
def _(feature: Bag, values, encoder: FeatureEncoder):
    indices = encoder.with_padding(feature, values)
    return tf.where(first_values(indices, feature.max_values), indices, PADDING_INDEX)


@model_input.register
def _(feature: Numeric, values, encoder: FeatureEncoder):
    return tf.where(tf.math.is_finite(values), values, feature.mean)


def first_values(indices, max_values: int):
    """Which values `(..., values)` are among the first `max_values` real ones of their bag."""
    real = indices != PADDING_INDEX
    return real & (tf.cumsum(tf.cast(real, tf.int32), axis=-1) <= max_values)
