"""Packed histories: real positions only, with the row of the batch that each belongs to.

A history enters padded, `(batch, time)`. Here its real positions stand one behind the other,
row by row: values `(positions, ...)` and `rows` `(positions,)`. At batch 1024 most of a padded
matrix is padding, so everything in floating point works on the packed form.

Dropping positions needs shapes that depend on values. The TensorFlow backend has them; where
shapes are static (JAX), `positions = batch * time`, a padding position has the row `batch`, one
past the last, and the functions below leave it out. The numbers are the same.
"""

import keras
from keras import ops

from keras_din.ops import packed_static

if keras.backend.backend() == "tensorflow":
    from keras_din.ops import packed_tensorflow as backend
else:
    backend = packed_static


def row_of_position(mask):
    """The row of each position: bool `(batch, time)` -> int32 `(positions,)`."""
    return backend.row_of_position(mask)


def pack(values, mask):
    """`(batch, time, ...)` -> `(positions, ...)`, where `mask` `(batch, time)` is `True`."""
    return backend.pack(values, mask)


def take_rows(x, rows):
    """What each position's row holds: `(batch, ...)` -> `(positions, ...)`."""
    return backend.take_rows(x, rows)


def sum_rows(values, rows, batch):
    """Sums the positions of each row: `(positions, ...)` -> `(batch, ...)`, 0 where none is."""
    return backend.sum_rows(values, rows, batch)


def max_rows(values, rows, batch):
    """Maximum over the positions of each row; the lowest finite number where none is."""
    return backend.max_rows(values, rows, batch)


def softmax_rows(scores, rows, batch):
    """Softmax over the positions of each row, `exp(s_j) / sum_i exp(s_i)`: same shape."""
    highest = ops.stop_gradient(max_rows(scores, rows, batch))
    exponentials = ops.exp(scores - take_rows(highest, rows))
    return exponentials / take_rows(sum_rows(exponentials, rows, batch), rows)
