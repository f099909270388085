"""The GRU over histories for static shapes: a scan over padded time; padding keeps the state."""

from keras import ops

from keras_din.ops.apply_mask import apply_mask
from keras_din.ops.gru.gates import gru_gates, gru_step_size


def gru_states(inputs, kernel, mask):
    states, _ = _scan(ops.expand_dims(inputs, 1), None, kernel, mask)
    units = kernel.shape[0]
    states = ops.reshape(ops.transpose(states[:, :, 0], (1, 0, 2)), (-1, units))
    return apply_mask(states, ops.reshape(mask, (-1,)))


def gru_last(inputs, attention, kernel, mask):
    _, last = _scan(inputs, attention, kernel, mask)
    return last


def _scan(inputs, attention, kernel, mask):
    """Returns all states `(time, batch, candidates, units)` and the last one."""
    units = kernel.shape[0]
    batch, time = ops.shape(mask)
    # A scan needs a tensor for each of its inputs.
    attention_or_inputs = inputs if attention is None else attention

    def by_time(x):
        x = ops.reshape(x, (batch, time, *ops.shape(x)[1:]))
        return ops.moveaxis(x, 1, 0)

    def step(state, step_inputs):
        x, a, is_real = step_inputs
        a = None if attention is None else ops.expand_dims(a, -1)
        update, _, new = gru_gates(x, ops.matmul(state, kernel), units)
        new_state = state + gru_step_size(update, a) * (new - state)
        state = ops.where(is_real, new_state, state)
        return state, state

    start = ops.zeros((batch, ops.shape(attention_or_inputs)[1], units), dtype=inputs.dtype)
    if time == 0:
        return ops.zeros((0, *ops.shape(start)), dtype=start.dtype), start
    is_real = ops.transpose(ops.expand_dims(ops.expand_dims(mask, -1), -1), (1, 0, 2, 3))
    last, states = ops.scan(step, start, (by_time(inputs), by_time(attention_or_inputs), is_real))
    return states, last
