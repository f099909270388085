"""Pure tensor functions, one equation each."""

from keras_din.ops.attention import factored_projection
from keras_din.ops.moments import masked_moments
from keras_din.ops.packed import (
    max_rows,
    pack,
    row_of_position,
    softmax_rows,
    sum_rows,
    take_rows,
)

__all__ = [
    "factored_projection",
    "masked_moments",
    "max_rows",
    "pack",
    "row_of_position",
    "softmax_rows",
    "sum_rows",
    "take_rows",
]
