"""The gates of a GRU whose update gate may be scaled or replaced by attention."""

from keras import ops


def gru_gates(inputs, recurrent, units):
    """Computes `u = sigmoid(x_u + s_u)`, `r = sigmoid(x_r + s_r)`, `h~ = tanh(x_h + r * s_h)`.

    Args:
        inputs: Float tensor `(..., 3 * units)`, `x = W i + b` as `[x_u, x_r, x_h]`, or
            `(..., 2 * units)` as `[x_r, x_h]`, without an update gate.
        recurrent: Float tensor of the same width, `s = U h` of the previous state.
        units: Width of a state.

    Returns:
        `(u, r, h~)`, float tensors `(..., units)`; `u` is `None` if there is no update gate.
    """
    gates = inputs.shape[-1] // units
    x, s = ops.split(inputs, gates, axis=-1), ops.split(recurrent, gates, axis=-1)
    update = ops.sigmoid(x[0] + s[0]) if gates == 3 else None
    reset = ops.sigmoid(x[-2] + s[-2])
    return update, reset, ops.tanh(x[-1] + reset * s[-1])


def gru_step_size(update, attention):
    """Computes `a * u`, the weight of the new state. One of the two may be `None`, meaning 1."""
    if update is None or attention is None:
        return attention if update is None else update
    return attention * update
