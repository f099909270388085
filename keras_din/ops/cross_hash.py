"""A bucket for each combination of values."""

from keras import ops

from keras_din.features import NUM_RESERVED, PADDING_INDEX

_MULTIPLIER = 0x9E3779B1 - 2**32  # The golden ratio times 2^32, made odd, as an int32.


def cross_hash(indices, buckets):
    """Hashes combinations of indices into `[2, buckets + 2)`; 0 where one of them is padding.

    `h = sum_i x_i a^(n - i + 1) mod 2^32`, of which the high bits tell the bucket (multiply-shift
    hashing). In int32, which wraps around alike on every backend and device. Different
    combinations may share a bucket; no table tells them apart.

    Args:
        indices: A list of int32 tensors whose shapes broadcast, one an input.
        buckets: How many buckets there are.

    Returns:
        Int32 tensor of the broadcast shape.

    Reference:
        [Dietzfelbinger et al., 1997](https://doi.org/10.1006/jagm.1997.0873), for the high bits.
    """
    hashed, real = 0, True
    for index in indices:
        # Keras would add an index `(n, 1)` along the last axis, where that is `n` long as well.
        hashed = (hashed - -index) * _MULTIPLIER
        real = ops.logical_and(real, ops.not_equal(index, PADDING_INDEX))
    neighbors = min(2**32 // buckets + 1, 2**31 - 1)  # So many numbers have one bucket.
    # Of negative numbers some runtimes round a quotient up: -1 - h is none, and does not overflow.
    negative = hashed < 0
    quotient = ops.floor_divide(ops.where(negative, -1 - hashed, hashed), neighbors)
    bucket = ops.mod(ops.where(negative, buckets - 1 - quotient, quotient), buckets)
    return ops.where(real, bucket + NUM_RESERVED, PADDING_INDEX)
