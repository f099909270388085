"""The packed form with operations that all runtimes support: no position is dropped or scattered.

Same form as in `static`: `positions = batch * time`, and a padding position has the row id `batch`.
Rows are in order, so a reshape gives the positions of each row an axis of their own.
"""

from keras import ops

from keras_din.ops.float32_sums import promote_half
from keras_din.ops.packed.static import (  # noqa: F401
    affine,
    attend_by_row_or_pair,
    gather_positions,
    gather_rows,
    pack,
    position_pairs,
    real_positions,
    row_ids,
)

_LOWEST = -1e30  # Finite: some runtimes turn `where` into a sum of products, where inf gives NaN.


@promote_half
def segment_sum(values, rows, batch):
    return ops.sum(_by_row(values, rows, batch, 0.0), axis=1)


def segment_max(values, rows, batch):
    highest = ops.max(_by_row(values, rows, batch, _LOWEST), axis=1)
    return ops.where(highest > _LOWEST, highest, ops.zeros_like(highest))


def _by_row(values, rows, batch, padding):
    """Reshapes values `(positions, ...)` to `(batch, time, ...)`, with `padding` at padding."""
    inner = ops.shape(values)[1:]
    is_real = ops.reshape(rows < batch, (-1, *[1] * len(inner)))
    values = ops.where(is_real, values, ops.cast(padding, values.dtype))
    return ops.reshape(values, (batch, -1, *inner))
