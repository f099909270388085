"""Hash buckets for combinations of values."""

from keras import ops

from keras_din.features import NUM_RESERVED, PADDING_INDEX

_MULTIPLIER = 0x9E3779B1 - 2**32  # The golden ratio times 2^32, rounded to odd, as an int32.


def cross_hash(indices, buckets):
    """Hashes combinations of indices into `[2, buckets + 2)`; 0 if one of them is padding.

    `h = sum_i x_i a^(n - i + 1) mod 2^32`. The high bits of `h` select the bucket (multiply-shift
    hashing). The arithmetic is that of int32, which overflows in the same way on every backend and
    device. Different combinations may share a bucket.

    Args:
        indices: A list of int32 tensors whose shapes broadcast, one per input.
        buckets: Number of buckets.

    Returns:
        Int32 tensor of the broadcast shape.

    Reference:
        [Dietzfelbinger et al., 1997](https://doi.org/10.1006/jagm.1997.0873), for the high bits.
    """
    hashed, is_real = 0, True
    for index in indices:
        # Subtracts the negative: Keras' addition treats an operand `(n, 1)` as a bias of the last
        # axis if that axis has the length `n` too.
        hashed = (hashed - -index) * _MULTIPLIER
        is_real = ops.logical_and(is_real, ops.not_equal(index, PADDING_INDEX))
    hashes_per_bucket = min(2**32 // buckets + 1, 2**31 - 1)
    # Some runtimes round the quotient of a negative number up. `-1 - h` is not negative and does
    # not overflow.
    negative = hashed < 0
    quotient = ops.floor_divide(ops.where(negative, -1 - hashed, hashed), hashes_per_bucket)
    bucket = ops.mod(ops.where(negative, buckets - 1 - quotient, quotient), buckets)
    return ops.where(is_real, bucket + NUM_RESERVED, PADDING_INDEX)
