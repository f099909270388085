"""The GRU over histories with operations that all runtimes support: a loop over padded time.

Same steps as in `static`, for a `time` that is known only at run time. Lists of tensors in other
runtimes need fixed sizes. So all states are in one tensor that each step writes with `where`: the
cost of a step is proportional to the number of all states.
"""

from keras import ops

from keras_din.ops.apply_mask import apply_mask
from keras_din.ops.gru.gates import gru_gates, gru_step_size


def gru_states(inputs, kernel, mask):
    batch, time = ops.shape(mask)
    times = ops.reshape(ops.arange(time, dtype="int32"), (-1, 1, 1, 1))
    step, state = _steps(ops.expand_dims(inputs, 1), None, kernel, mask)

    def body(t, state, states):
        state = step(t, state)
        return t + 1, state, ops.where(times == t, ops.expand_dims(state, 0), states)

    states = ops.zeros((time, batch, 1, kernel.shape[0]), dtype=inputs.dtype)
    _, _, states = ops.while_loop(lambda t, *_: t < time, body, (0, state, states))
    states = ops.reshape(ops.transpose(states, (1, 0, 2, 3)), (-1, kernel.shape[0]))
    return apply_mask(states, ops.reshape(mask, (-1,)))


def gru_last(inputs, attention, kernel, mask):
    step, state = _steps(inputs, attention, kernel, mask)
    time = ops.shape(mask)[1]
    body = lambda t, state: (t + 1, step(t, state))  # noqa: E731
    return ops.while_loop(lambda t, _: t < time, body, (0, state))[1]


def _steps(inputs, attention, kernel, mask):
    """Returns the step function of a time and a state, and the initial state.

    States are `(batch, candidates, units)`.
    """
    units = kernel.shape[0]
    batch, time = ops.shape(mask)
    candidates = ops.shape(inputs if attention is None else attention)[1]

    def by_time(x):
        axes = range(2, len(x.shape) + 1)
        return ops.transpose(ops.reshape(x, (batch, time, *ops.shape(x)[1:])), (1, 0, *axes))

    inputs = by_time(inputs)
    attention = None if attention is None else by_time(ops.expand_dims(attention, -1))
    is_real = ops.expand_dims(ops.expand_dims(ops.transpose(mask), -1), -1)

    def step(t, state):
        recurrent = ops.matmul(ops.reshape(state, (-1, units)), kernel)
        recurrent = ops.reshape(recurrent, (batch, candidates, kernel.shape[1]))
        update, _, new = gru_gates(inputs[t], recurrent, units)
        size = gru_step_size(update, None if attention is None else attention[t])
        return ops.where(is_real[t], state + size * (new - state), state)

    return step, ops.zeros((batch, candidates, units), dtype=inputs.dtype)
