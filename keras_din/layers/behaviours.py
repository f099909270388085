"""How every layer that reads behaviours takes them: padded or packed, with one mask."""

import keras
from keras import ops

from keras_din.ops import pack, row_of_position


def pack_behaviours(keys, keys_mask):
    """Brings behaviours into the packed form.

    Args:
        keys: Float tensor `(batch, time, dim)`, or packed `(positions, dim)`.
        keys_mask: Bool tensor `(batch, time)`; `None` only with padded keys, for all `True`.

    Returns:
        `(keys, rows, mask)`: float `(positions, dim)`, int `(positions,)`, bool `(batch, time)`.

    Raises:
        ValueError: When `keys` have neither shape, or are packed and have no mask.
    """
    rank = len(keys.shape)
    if rank not in (2, 3):
        raise ValueError(
            "`keys` must have the shape (batch, time, dim), or (positions, dim) when packed. "
            f"Received: keys of shape {tuple(keys.shape)}."
        )
    if keys_mask is None:
        if rank == 2:
            raise ValueError(
                "`keys_mask` of shape (batch, time) must tell to which rows packed keys belong. "
                f"Received: keys of shape {tuple(keys.shape)}, keys_mask=None."
            )
        keys_mask = ops.ones(ops.shape(keys)[:2], dtype="bool")
    keys_mask = ops.cast(keys_mask, "bool")
    if rank == 3:
        keys = pack(keys, keys_mask)
    return keys, row_of_position(keys_mask), keys_mask


def unpack_weights(weights, mask):
    """Puts weights `(positions, candidates)` where `mask` `(batch, time)` is `True`.

    Returns a float tensor `(batch, candidates, time)`, 0 elsewhere.
    """
    batch, time = ops.shape(mask)
    candidates = ops.shape(weights)[1]
    if keras.backend.backend() == "tensorflow":
        places = ops.cumsum(ops.cast(ops.reshape(mask, (-1,)), "int32")) - 1
        spare = ops.zeros((1, candidates), dtype=weights.dtype)
        weights = ops.take(ops.concatenate([spare, weights]), places + 1, axis=0)
    padded = ops.reshape(weights, (batch, time, candidates))
    padded = padded * ops.expand_dims(ops.cast(mask, padded.dtype), -1)
    return ops.transpose(padded, (0, 2, 1))
