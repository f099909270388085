"""Raw values to indices inside a graph, as `keras_din.data` does it before training."""

import pathlib

import tensorflow as tf

from keras_din.features import (
    NUM_RESERVED,
    OOV_INDEX,
    PADDING_INDEX,
    EmbeddedFeature,
    FeatureSpec,
    missing_value,
    padding_value,
)


def raw_dtype(feature) -> tf.DType:
    """The type of a feature's raw values: strings, int64, int32 indices or float32 numbers."""
    if not isinstance(feature, EmbeddedFeature):
        return tf.float32
    return {"string": tf.string, "int64": tf.int64, None: tf.int32}[feature.dtype]


class RawValues(tf.Module):
    """The lookup tables of a spec.

    A vocabulary travels as a text file among the assets of a SavedModel. One with line breaks
    inside values can't, and travels in the graph.

    Args:
        spec: The features.
        scratch: Folder for the text files, which must be there until the SavedModel is written.
    """

    def __init__(self, spec: FeatureSpec, scratch):
        super().__init__()
        self.tables = {
            name: _table(feature, pathlib.Path(scratch))
            for name, feature in spec.features.items()
            if isinstance(feature, EmbeddedFeature) and feature.vocabulary is not None
        }

    def __call__(self, feature, values):
        """What a model takes for raw values, of any shape.

        Args:
            feature: A feature of the spec.
            values: Tensor of `raw_dtype(feature)`.

        Returns:
            int32 indices, of the same shape: unknown values, empty strings, `MISSING_INT64` of hash
            buckets and indices out of range are out-of-vocabulary. Of a `Numeric` float32, its
            mean where it is not finite.
        """
        if not isinstance(feature, EmbeddedFeature):
            return tf.where(tf.math.is_finite(values), values, feature.mean)
        if feature.vocabulary is not None:
            return tf.cast(self.tables[feature.name].lookup(values), tf.int32)
        if feature.hash_buckets is None:
            known = (values >= 0) & (values < feature.vocabulary_size)
            return tf.where(known, values, OOV_INDEX)
        text = values if feature.dtype == "string" else tf.strings.as_string(values)
        bucket = tf.strings.to_hash_bucket_fast(text, feature.hash_buckets)
        index = tf.cast(bucket, tf.int32) + NUM_RESERVED
        return tf.where(values == missing_value(feature), OOV_INDEX, index)

    def with_padding(self, feature: EmbeddedFeature, values):
        """The same, and `PADDING_INDEX` where the raw value is padding."""
        index = self(feature, values)
        if feature.dtype is None:
            return index
        return tf.where(values == padding_value(feature), PADDING_INDEX, index)


def asset(feature) -> str | None:
    """Name of the text file of a feature's vocabulary, a value a line; `None` without one."""
    if not isinstance(feature, EmbeddedFeature) or feature.vocabulary is None:
        return None
    if feature.dtype == "string" and any("\n" in v or "\r" in v for v in feature.vocabulary):
        return None
    return f"{feature.name}.txt"


def _table(feature: EmbeddedFeature, scratch: pathlib.Path) -> tf.lookup.StaticHashTable:
    if asset(feature) is None:
        first, last = NUM_RESERVED, feature.vocabulary_size
        initializer = tf.lookup.KeyValueTensorInitializer(
            tf.constant(feature.vocabulary), tf.range(first, last, dtype=tf.int64)
        )
    else:
        file = scratch / asset(feature)
        with open(file, "w", encoding="utf-8", newline="\n") as lines:
            lines.writelines(f"{value}\n" for value in feature.vocabulary)
        initializer = tf.lookup.TextFileInitializer(
            str(file),
            raw_dtype(feature),
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
            vocab_size=len(feature.vocabulary),
            value_index_offset=NUM_RESERVED,
        )
    return tf.lookup.StaticHashTable(initializer, OOV_INDEX)
