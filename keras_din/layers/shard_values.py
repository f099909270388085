"""The initial values of one shard of an embedding table."""

import zlib

import keras
from keras import ops

from keras_din.features import OOV_INDEX
from keras_din.row_shards import RowShards

# Initializers of Keras whose values do not depend on the shape.
INDEPENDENT_OF_SHAPE = (
    keras.initializers.Constant,
    keras.initializers.Ones,
    keras.initializers.RandomNormal,
    keras.initializers.RandomUniform,
    keras.initializers.TruncatedNormal,
    keras.initializers.Zeros,
)


def check_initializer(initializer) -> None:
    """Raises a `ValueError` if the values of a shard cannot be drawn without the other shards."""
    scales = isinstance(initializer, keras.initializers.VarianceScaling)
    if not (scales or isinstance(initializer, INDEPENDENT_OF_SHAPE)):
        raise ValueError(
            "`embeddings_initializer` of a table with `shards` must be an initializer of Keras "
            "whose values are equal or independent draws, such as 'uniform' or "
            "'glorot_uniform': each shard is created alone. For other values, build the layer "
            "and pass them to its `assign_rows`. "
            f"Received: embeddings_initializer={initializer!r}."
        )


def initial_table(initializer, shape, dtype=None):
    """Draws the initial values of a whole table. A random out-of-vocabulary row is 0."""
    values = initializer(shape, dtype=dtype)
    return _with_zero_row(values, OOV_INDEX) if is_random(initializer) else values


def initial_shard(initializer, shards: RowShards, shard: int, shape, dtype=None):
    """Draws the initial values of one shard, with a seed of its own.

    Args:
        initializer: The initializer of the table, see `check_initializer`.
        shards: The shards of the table, several.
        shard: The shard.
        shape: Shape of the shard, `(size, dim)`.
        dtype: Its dtype.
    """
    if not is_random(initializer):
        return initializer(shape, dtype=dtype)
    seed = initializer.seed
    if isinstance(seed, int):  # Otherwise each call draws other values.
        seed = zlib.crc32(f"{seed} shard {shard}".encode())
    if isinstance(initializer, keras.initializers.VarianceScaling):
        scale = initializer.scale * _fan(initializer.mode, shape)
        scale /= _fan(initializer.mode, (shards.rows, *shape[1:]))
        own = keras.initializers.VarianceScaling(
            scale, initializer.mode, initializer.distribution, seed
        )
    else:
        own = with_seed(initializer, seed)
    values = own(shape, dtype=dtype)
    return _with_zero_row(values, 0) if shard == OOV_INDEX else values


def is_random(initializer) -> bool:
    """Returns whether an initializer draws random values."""
    return hasattr(initializer, "seed")


def with_seed(initializer, seed):
    """Returns an initializer with another seed, or the initializer itself if it is not random."""
    if not is_random(initializer):
        return initializer
    return type(initializer).from_config({**initializer.get_config(), "seed": seed})


def _with_zero_row(values, row: int):
    return ops.concatenate([values[:row], ops.zeros_like(values[:1]), values[row + 1 :]], axis=0)


def _fan(mode: str, shape) -> float:
    """Returns the number that `VarianceScaling` divides its scale by."""
    rows, dim = shape
    return {"fan_in": rows, "fan_out": dim}.get(mode, (rows + dim) / 2)
