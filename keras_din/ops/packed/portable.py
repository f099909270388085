"""The packed form in operations that every runtime has: no position is dropped or scattered.

That of `packed_static`, where `positions = batch * time` and a padding position has the row
`batch`. Rows stand in order, so that the positions of each are an axis of their own.
"""

from keras import ops

from keras_din.ops.float32_sums import in_float32
from keras_din.ops.packed.static import *  # noqa: F403

_LOWEST = -1e30  # Some runtimes make sums of products of a choice: nothing may be infinite.


@in_float32
def segment_sum(values, rows, batch):
    return ops.sum(_by_row(values, rows, batch, 0.0), axis=1)


def segment_max(values, rows, batch):
    highest = ops.max(_by_row(values, rows, batch, _LOWEST), axis=1)
    return ops.where(highest > _LOWEST, highest, ops.zeros_like(highest))


def _by_row(values, rows, batch, instead):
    """Values `(positions, ...)` as `(batch, time, ...)`, with another number at padding."""
    inner = ops.shape(values)[1:]
    real = ops.reshape(rows < batch, (-1, *[1] * len(inner)))
    values = ops.where(real, values, ops.cast(instead, values.dtype))
    return ops.reshape(values, (batch, -1, *inner))
