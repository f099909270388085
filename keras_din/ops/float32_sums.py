"""Sums over histories, which half precision cannot hold: of ones bfloat16 counts to 256."""

import functools

import keras
from keras import ops

HALF = ("bfloat16", "float16")


def in_float32(function):
    """The function with arguments of half precision as float32, and its result cast back.

    By the first argument, in whose dtype the result is. Of another dtype nothing is changed.
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
