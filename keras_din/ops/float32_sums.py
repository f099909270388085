"""Sums over histories in float32: summing ones in bfloat16 stops at 256."""

import functools

import keras
from keras import ops

HALF = ("bfloat16", "float16")


def promote_half(function):
    """Decorator: computes in float32 where the first argument has half precision.

    All arguments of half precision are cast to float32, and the result is cast back to the dtype
    of the first argument. Where the first argument has another dtype, nothing is changed.
    """

    @functools.wraps(function)
    def call(values, *arguments):
        dtype = keras.backend.standardize_dtype(values.dtype)
        if dtype not in HALF:
            return function(values, *arguments)
        result = function(*(_as_float32(argument) for argument in (values, *arguments)))
        return ops.cast(result, dtype)

    return call


def _as_float32(x):
    dtype = getattr(x, "dtype", None)
    half = dtype is not None and keras.backend.standardize_dtype(dtype) in HALF
    return ops.cast(x, "float32") if half else x
