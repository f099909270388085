"""Conversions of behaviors between the padded, the packed and the ragged form."""

import contextlib

import keras
from keras import ops

from keras_din.ops import (
    apply_mask,
    gather_positions,
    is_ragged,
    pack,
    pack_ragged,
    ragged_to_padded,
    row_ids,
)


def pack_behaviors(keys, keys_mask):
    """Brings behaviors into the packed form.

    Args:
        keys: Float tensor `(batch, time, dim)`, padded or ragged, or packed `(positions, dim)`.
        keys_mask: Bool tensor `(batch, time)`, which may be ragged; `None` for the Keras mask of
            `keys`, else all `True`. Required with packed keys.

    Returns:
        `(keys, rows, mask)`: float `(positions, dim)`, int `(positions,)`, bool `(batch, time)`.

    Raises:
        ValueError: If `keys` have another shape, or are packed and have no mask.
    """
    rank = len(keys.shape)
    if rank not in (2, 3):
        raise ValueError(
            "`keys` must have the shape (batch, time, dim), or (positions, dim) when packed. "
            f"Received: keys of shape {tuple(keys.shape)}."
        )
    if keys_mask is None:
        # Keras fills the argument `keys_mask` only in layers with two or more tensor arguments.
        keys_mask = getattr(keys, "_keras_mask", None)
    if is_ragged(keys):
        keys, keys_mask = pack_ragged(keys, keys_mask)
        return keys, row_ids(keys_mask), keys_mask
    if keys_mask is None:
        if rank == 2:
            raise ValueError(
                "`keys_mask` of shape (batch, time) must be given with packed keys: it determines "
                "their rows. "
                f"Received: keys of shape {tuple(keys.shape)}, keys_mask=None."
            )
        keys_mask = ops.ones(ops.shape(keys)[:2], dtype="bool")
    keys_mask = ops.cast(ragged_to_padded(keys_mask), "bool")
    if rank == 3:
        keys = pack(keys, keys_mask)
    if keras.backend.backend() != "tensorflow":
        # The packed form keeps padding: NaN there would spread by products of gradients with 0.
        keys = apply_mask(keys, ops.reshape(keys_mask, (-1,)))
    return keys, row_ids(keys_mask), keys_mask


def with_mask(behaviors, mask):
    """Sets the Keras mask of behaviors, which the next layer reads.

    Keras itself only passes on the mask of the first argument of a layer, not a mask that is given
    as another argument, and does not overwrite a mask. JAX arrays cannot carry a mask.
    """
    with contextlib.suppress(AttributeError):
        behaviors._keras_mask = mask
    return behaviors


def unpack_behaviors(values, mask):
    """Scatters values `(positions, units)` to where `mask` `(batch, time)` is `True`.

    Returns a float tensor `(batch, time, units)`, 0 elsewhere.
    """
    batch, time = ops.shape(mask)
    units = ops.shape(values)[1]
    if keras.backend.backend() == "tensorflow":
        # A row of zeros comes first, for padding before the first real position.
        indices = ops.cumsum(ops.cast(ops.reshape(mask, (-1,)), "int32"))
        zeros = ops.zeros((1, units), dtype=values.dtype)
        values = gather_positions(ops.concatenate([zeros, values]), indices)
    return apply_mask(ops.reshape(values, (batch, time, units)), mask)


def unpack_weights(weights, mask):
    """Scatters weights `(positions, candidates)` to where `mask` `(batch, time)` is `True`.

    Returns a float tensor `(batch, candidates, time)`, 0 elsewhere.
    """
    return ops.transpose(unpack_behaviors(weights, mask), (0, 2, 1))
