"""The bucket of a number, the same float32 comparisons in NumPy and in a graph."""

import numpy as np

from keras_din.features import NUM_RESERVED, OOV_INDEX, SMALLEST, Bucketized


def numpy_buckets(feature: Bucketized, values) -> np.ndarray:
    """Returns the indices of a feature from numbers.

    Args:
        feature: A `Bucketized` with boundaries.
        values: Numbers of any shape, NaN where one is missing.

    Returns:
        int32 of the same shape: `OOV_INDEX` for values that are not finite in float32, and
        `NUM_RESERVED` plus the number of boundaries that are at most the value for the others.
    """
    with np.errstate(over="ignore"):  # A number beyond float32 becomes infinite, thus missing.
        values = np.asarray(values).astype(np.float32)
    # TensorFlow may round such small numbers to 0, depending on the processor.
    values = np.where(np.abs(values) < SMALLEST, np.float32(0), values)
    index = np.searchsorted(np.array(feature.limits, np.float32), values, side="right")
    return np.where(np.isfinite(values), index + NUM_RESERVED, OOV_INDEX).astype(np.int32)


def graph_buckets(feature: Bucketized, values):
    """Returns the indices of `numpy_buckets` for a float32 tensor of TensorFlow."""
    import tensorflow as tf

    values = tf.where(tf.abs(values) < SMALLEST, 0.0, values)
    index = tf.zeros(tf.shape(values), tf.int32)
    if feature.limits:
        limits = tf.constant(feature.limits, tf.float32)
        found = tf.searchsorted(limits, tf.reshape(values, (-1,)), side="right")
        index = tf.reshape(found, tf.shape(values))
    return tf.where(tf.math.is_finite(values), index + NUM_RESERVED, OOV_INDEX)
