"""Ragged tensors, which only the TensorFlow backend has: rows of any length, without padding."""

import keras

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


def is_ragged(x) -> bool:
    """Whether `x` is a `tf.RaggedTensor`."""
    return keras.backend.backend() == "tensorflow" and isinstance(x, tf.RaggedTensor)


def padded(x):
    """A ragged tensor with zeros, or `False`, behind each row; anything else as it is."""
    return x.to_tensor() if is_ragged(x) else x


def ragged_like(x, keys):
    """Padded `x`, `(batch, time, units)`, with the rows of ragged `keys`, `(batch, time, dim)`."""
    return tf.RaggedTensor.from_tensor(x, lengths=keys.row_lengths())


def packed_keys(keys, mask):
    """Ragged behaviors in the packed form, without a padded copy of them.

    Args:
        keys: Ragged tensor `(batch, time)` or `(batch, time, ...)`.
        mask: Bool tensor `(batch, time)`, ragged like `keys` or padded behind each row; `None`
            for all `True`.

    Returns:
        `(keys, mask)`: `(positions,)` or `(positions, ...)`, and bool `(batch, time)`.
    """
    lengths = keys.row_lengths()
    if mask is None:
        return keys.values, tf.sequence_mask(lengths)
    if not is_ragged(mask):
        mask = tf.RaggedTensor.from_tensor(mask, lengths=lengths)
    mask = tf.cast(mask, tf.bool)
    return tf.ragged.boolean_mask(keys.values, mask.values), mask.to_tensor()
