"""Functions on histories without padding: pack, gather, and sum, maximum and softmax per row.

A history is given padded, `(batch, time)`. The packed form concatenates its real positions, row by
row: values `(positions, ...)` and `rows` `(positions,)`. At batch 1024 most of a padded matrix is
padding, so all floating-point computation uses the packed form.

Dropping positions requires shapes that depend on values. The TensorFlow backend has such shapes.
On backends with static shapes (JAX), `positions = batch * time`, a padding position has the row id
`batch`, which is out of range, and the functions below ignore it. The numbers are the same.

Sums over a history, and sums in gradients, are computed in float32 when values have half
precision, and then cast back: half precision cannot hold a sum of many values.
"""

import types

import keras
from keras import ops

from keras_din.ops.float32_sums import promote_half
from keras_din.ops.packed import portable, static
from keras_din.trace_context import trace_context

if keras.backend.backend() == "tensorflow":
    from keras_din.ops.packed import tensorflow

    _NATIVE: types.ModuleType = tensorflow
else:
    _NATIVE = static

_FORMS = {"native": _NATIVE, "static": static, "portable": portable}


def _form():
    """The module of the form that the thread's `TraceContext` has."""
    return _FORMS[trace_context().form]


def row_ids(mask):
    """Returns the row of each position: bool `(batch, time)` -> int32 `(positions,)`."""
    return _form().row_ids(mask)


def pack(values, mask):
    """Selects the positions where `mask` is `True`: `(batch, time, ...)` -> `(positions, ...)`."""
    return _form().pack(values, mask)


def position_pairs(mask):
    """Returns all pairs of positions of the same row, as query index and key index.

    Args:
        mask: Bool tensor `(batch, time)`.

    Returns:
        `(query_index, key_index)`: two int32 tensors `(pairs,)` of packed positions. Query indices
        are sorted, so they can serve as `rows` of the pairs.
    """
    return _form().position_pairs(mask)


def gather_rows(x, rows):
    """Repeats the values of each row for each of its positions.

    `(batch, ...)` -> `(positions, ...)`.
    """
    return _form().gather_rows(x, rows)


def gather_positions(values, indices):
    """Gathers positions by index, in any order: `(positions, ...)` -> `(indices, ...)`."""
    return _form().gather_positions(values, indices)


def real_positions(rows, batch):
    """Returns the indices of real positions, in order, then of padding: int32 `(positions,)`."""
    return _form().real_positions(rows, batch)


def segment_sum(values, rows, batch):
    """Sums the positions of each row: `(positions, ...)` -> `(batch, ...)`, 0 if there are none."""
    return _form().segment_sum(values, rows, batch)


@promote_half
def segment_mean(values, rows, counts):
    """Averages the positions of each row: `(positions, dim)` -> `(batch, dim)`, 0 if none.

    `counts` `(batch,)` are the numbers of positions.
    """
    sums = segment_sum(values, rows, ops.shape(counts)[0])
    return sums / ops.expand_dims(ops.cast(ops.maximum(counts, 1), sums.dtype), -1)


@promote_half
def segment_weighted_mean(values, weights, rows, batch):
    """Computes `sum_j w_j v_j / sum_j w_j` over the positions of each row, 0 if the divisor is 0.

    `(positions, dim)` and weights `(positions,)` from 0 -> `(batch, dim)`.
    """
    weights = ops.expand_dims(weights, -1)
    total = segment_sum(weights, rows, batch)
    total = ops.where(total > 0, total, ops.ones_like(total))
    return segment_sum(values * weights, rows, batch) / total


@promote_half
def segment_weighted_sum(values, weights, rows, batch):
    """Computes `sum_j w_j v_j` over the positions of each row.

    `(positions, dim)` and weights `(positions,)` -> `(batch, dim)`.
    """
    return segment_sum(values * ops.expand_dims(weights, -1), rows, batch)


def segment_max(values, rows, batch):
    """Takes the maximum over the positions of each row, 0 if there are none."""
    return _form().segment_max(values, rows, batch)


@promote_half
def segment_softmax(scores, rows, batch):
    """Computes the softmax over the positions of each row, `exp(s_j) / sum_i exp(s_i)`."""
    highest = ops.stop_gradient(segment_max(scores, rows, batch))
    exponentials = ops.exp(scores - gather_rows(highest, rows))
    # Divides per row: a quotient per position would be 0 / 0 at padding, with a NaN gradient.
    total = segment_sum(exponentials, rows, batch)
    total = ops.where(total > 0, total, ops.ones_like(total))  # Rows without a position.
    return exponentials * gather_rows(1 / total, rows)


def affine(x, kernel, bias):
    """Computes `x kernel + bias` of two matrices and a vector, in one operation if possible."""
    return _form().affine(x, kernel, bias)


def attend_by_row_or_pair(attend_row, attend_pairs, query, keys, rows):
    """Attends from candidates to the behaviors of their row, in the faster of two forms.

    With many candidates, TensorFlow loops over rows and needs the memory of only one row.
    Otherwise all pairs of a behavior and a candidate are computed at once. The numbers are the
    same. Not for training: gradients of the loop would cost the time that it saves.

    Args:
        attend_row: Function of the queries `(candidates, dim)` and the real behaviors
            `(time, key_dim)` of one row. Returns `(candidates, key_dim)`.
        attend_pairs: Function without arguments that returns the result for all rows.
        query: Float tensor `(batch, candidates, dim)`.
        keys: Float tensor `(positions, key_dim)`.
        rows: Int tensor `(positions,)`.

    Returns:
        Float tensor `(batch, candidates, key_dim)`.
    """
    return _form().attend_by_row_or_pair(attend_row, attend_pairs, query, keys, rows)
