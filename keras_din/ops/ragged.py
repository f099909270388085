"""Conversions of ragged tensors: rows of any length, without padding. TensorFlow backend only."""

import keras

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


def is_ragged(x) -> bool:
    """Returns whether `x` is a `tf.RaggedTensor`."""
    return keras.backend.backend() == "tensorflow" and isinstance(x, tf.RaggedTensor)


def ragged_to_padded(x):
    """Pads the rows of a ragged tensor at their end with 0 or `False`; returns others unchanged."""
    return x.to_tensor() if is_ragged(x) else x


def ragged_like(x, keys):
    """Gives padded `x` `(batch, time, units)` the row lengths of ragged `keys`."""
    return tf.RaggedTensor.from_tensor(x, lengths=keys.row_lengths())


def pack_ragged(keys, mask):
    """Brings ragged behaviors into the packed form, without a padded copy of them.

    Args:
        keys: Ragged tensor `(batch, time)` or `(batch, time, ...)`.
        mask: Bool tensor `(batch, time)`, ragged like `keys`, or padded at the end of each row;
            `None` if all positions are real.

    Returns:
        `(keys, mask)`: packed `(positions,)` or `(positions, ...)`, and padded bool
        `(batch, time)`.
    """
    lengths = keys.row_lengths()
    if mask is None:
        return keys.values, tf.sequence_mask(lengths)
    if not is_ragged(mask):
        mask = tf.RaggedTensor.from_tensor(mask, lengths=lengths)
    mask = tf.cast(mask, tf.bool)
    return tf.ragged.boolean_mask(keys.values, mask.values), mask.to_tensor()
