"""Packed histories: real positions only, with the row of the batch that each belongs to.

A history enters padded, `(batch, time)`. Here its real positions stand one behind the other,
row by row: values `(positions, ...)` and `rows` `(positions,)`. At batch 1024 most of a padded
matrix is padding, so everything in floating point works on the packed form.

Dropping positions needs shapes that depend on values. The TensorFlow backend has them; where
shapes are static (JAX), `positions = batch * time`, a padding position has the row `batch`, one
past the last, and the functions below leave it out. The numbers are the same.

Sums over a history, and those of gradients, are made in float32 where values are of half
precision, and cast back: a sum of many half-precision numbers is not one.
"""

import keras
from keras import ops

from keras_din.ops.float32_sums import in_float32
from keras_din.ops.packed import static as packed_static

if keras.backend.backend() == "tensorflow":
    from keras_din.ops.packed import tensorflow as backend
else:
    backend = packed_static


def row_ids(mask):
    """The row of each position: bool `(batch, time)` -> int32 `(positions,)`."""
    return backend.row_ids(mask)


def pack(values, mask):
    """`(batch, time, ...)` -> `(positions, ...)`, where `mask` `(batch, time)` is `True`."""
    return backend.pack(values, mask)


def pairs_of_rows(mask):
    """Every two positions of one row, who asks and who answers: two int32 `(pairs,)`.

    Who asks stands in order, so that it serves as `rows` of the pairs.
    """
    return backend.pairs_of_rows(mask)


def gather_rows(x, rows):
    """What each position's row holds: `(batch, ...)` -> `(positions, ...)`."""
    return backend.gather_rows(x, rows)


def gather_positions(values, places):
    """What stands at places in any order: `(positions, ...)` -> `(places, ...)`."""
    return backend.gather_positions(values, places)


def real_positions(rows, batch):
    """The places of real positions, in order, and then of padding: int32 `(positions,)`."""
    return backend.real_positions(rows, batch)


def segment_sum(values, rows, batch):
    """Sums the positions of each row: `(positions, ...)` -> `(batch, ...)`, 0 where none is."""
    return backend.segment_sum(values, rows, batch)


@in_float32
def segment_mean(values, rows, counts):
    """The mean over the positions of each row, of which it has `counts` `(batch,)`.

    `(positions, dim)` -> `(batch, dim)`, 0 where none is.
    """
    sums = segment_sum(values, rows, ops.shape(counts)[0])
    return sums / ops.expand_dims(ops.cast(ops.maximum(counts, 1), sums.dtype), -1)


def segment_max(values, rows, batch):
    """Maximum over the positions of each row, 0 where none is."""
    return backend.segment_max(values, rows, batch)


@in_float32
def segment_softmax(scores, rows, batch):
    """Softmax over the positions of each row, `exp(s_j) / sum_i exp(s_i)`: same shape."""
    highest = ops.stop_gradient(segment_max(scores, rows, batch))
    exponentials = ops.exp(scores - gather_rows(highest, rows))
    # Not a quotient of positions: that of padding would be 0 / 0, and its gradient NaN.
    total = segment_sum(exponentials, rows, batch)
    total = ops.where(total > 0, total, ops.ones_like(total))  # Of rows without a position.
    return exponentials * gather_rows(1 / total, rows)


def affine(x, kernel, bias):
    """`x kernel + bias`, as one operation where there is one: two matrices and a vector."""
    return backend.affine(x, kernel, bias)


def attend_by_row_or_pair(of_row, of_pairs, query, keys, rows):
    """Something of each candidate and its row's behaviors, in the form that takes less time.

    Row by row on TensorFlow where candidates are many; memory is then that of one row. The
    numbers are the same. Not for training, where gradients of a loop would cost what it saves.

    Args:
        of_row: Function of `(candidates, dim)` and `(time, key_dim)`, the real behaviors of a
            row, to `(candidates, key_dim)`.
        of_pairs: Function without arguments to the result of all rows.
        query: Float tensor `(batch, candidates, dim)`.
        keys: Float tensor `(positions, key_dim)`.
        rows: Int tensor `(positions,)`.

    Returns:
        Float tensor `(batch, candidates, key_dim)`.
    """
    return backend.attend_by_row_or_pair(of_row, of_pairs, query, keys, rows)
