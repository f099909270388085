"""The hash of crossed values, computed with Python integers."""

import numpy as np
from keras import ops

from keras_din.ops import cross_hash

A = 0x9E3779B1


def by_hand(values, buckets):
    """Computes the bucket with Python integers."""
    if 0 in values:
        return 0
    hashed = 0
    for value in values:
        hashed = (hashed + value) * A % 2**32
    signed = hashed - 2**32 if hashed >= 2**31 else hashed
    return signed // min(2**32 // buckets + 1, 2**31 - 1) % buckets + 2


def hashed(values, buckets):
    return np.asarray(cross_hash([ops.convert_to_tensor(v, "int32") for v in values], buckets))
