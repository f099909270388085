"""The GRU over histories where shapes are static: a scan over padded time, which padding skips."""

from keras import ops

from keras_din.ops.gru.gates import gru_gates, gru_step_size
from keras_din.ops.real_entries import real_entries


def gru_states(inputs, kernel, mask):
    states, _ = _scan(ops.expand_dims(inputs, 1), None, kernel, mask)
    units = kernel.shape[0]
    states = ops.reshape(ops.transpose(states[:, :, 0], (1, 0, 2)), (-1, units))
    return real_entries(states, ops.reshape(mask, (-1,)))


def gru_last(inputs, attention, kernel, mask):
    _, last = _scan(inputs, attention, kernel, mask)
    return last


def _scan(inputs, attention, kernel, mask):
    """All states `(time, batch, candidates, units)` and the last one."""
    units = kernel.shape[0]
    batch, time = ops.shape(mask)
    one = inputs if attention is None else attention

    def by_time(x):
        x = ops.reshape(x, (batch, time, *ops.shape(x)[1:]))
        return ops.moveaxis(x, 1, 0)

    def step(before, now):
        x, a, real = now
        a = None if attention is None else ops.expand_dims(a, -1)
        update, _, new = gru_gates(x, ops.matmul(before, kernel), units)
        after = before + gru_step_size(update, a) * (new - before)
        state = ops.where(real, after, before)
        return state, state

    start = ops.zeros((batch, ops.shape(one)[1], units), dtype=inputs.dtype)
    if time == 0:
        return ops.zeros((0, *ops.shape(start)), dtype=start.dtype), start
    real = ops.transpose(ops.expand_dims(ops.expand_dims(mask, -1), -1), (1, 0, 2, 3))
    last, states = ops.scan(step, start, (by_time(inputs), by_time(one), real))
    return states, last
