"""The GRU over histories in operations that every runtime has: a loop over padded time.

The steps of `gru_static`, where `time` is known in a call alone. A runtime's lists of tensors ask
for sizes, so states are put in one tensor by a choice: a step costs what all states cost.
"""

from keras import ops

from keras_din.ops.gru.gates import gru_gates, gru_step_size
from keras_din.ops.real_entries import real_entries


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
    return real_entries(states, ops.reshape(mask, (-1,)))


def gru_last(inputs, attention, kernel, mask):
    step, state = _steps(inputs, attention, kernel, mask)
    time = ops.shape(mask)[1]
    body = lambda t, state: (t + 1, step(t, state))  # noqa: E731
    return ops.while_loop(lambda t, _: t < time, body, (0, state))[1]


def _steps(inputs, attention, kernel, mask):
    """The step from a time and a state `(batch, candidates, units)` to the next, and the first."""
    units = kernel.shape[0]
    batch, time = ops.shape(mask)
    candidates = ops.shape(inputs if attention is None else attention)[1]

    def by_time(x):
        axes = range(2, len(x.shape) + 1)
        return ops.transpose(ops.reshape(x, (batch, time, *ops.shape(x)[1:])), (1, 0, *axes))

    x_of = by_time(inputs)
    a_of = None if attention is None else by_time(ops.expand_dims(attention, -1))
    real_of = ops.expand_dims(ops.expand_dims(ops.transpose(mask), -1), -1)

    def step(t, before):
        recurrent = ops.matmul(ops.reshape(before, (-1, units)), kernel)
        recurrent = ops.reshape(recurrent, (batch, candidates, kernel.shape[1]))
        update, _, new = gru_gates(x_of[t], recurrent, units)
        size = gru_step_size(update, None if a_of is None else a_of[t])
        return ops.where(real_of[t], before + size * (new - before), before)

    return step, ops.zeros((batch, candidates, units), dtype=inputs.dtype)
