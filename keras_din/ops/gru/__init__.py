"""A GRU over histories whose update gate may be scaled or replaced by attention.

`h_t = (1 - g_t) * h_{t-1} + g_t * h~_t`, where `g = u`, `g = a u` or `g = a`, and
`u, r = sigmoid(x_t + U h_{t-1})`, `h~_t = tanh(x_t + r * U h_{t-1})`, `x = W i + b`
(Zhou et al., 2019, Eqs. 2 to 5 and 9 to 12). The initial state is 0.
The reset gate multiplies the recurrent product, as in the paper. The authors' code and DeepCTR
multiply the state before the product, `U (r * h_{t-1})`, so their weights cannot be used here.

There are three implementations with the same numbers: a loop over packed positions on TensorFlow,
where padding costs nothing, a scan over padded time for static shapes, and a loop over padded time
for other runtimes. Half-precision inputs are computed in float32: a state is a sum of as many small
steps as there are behaviors.
"""

import types

import keras
from keras import ops

from keras_din.ops.float32_sums import promote_half
from keras_din.ops.gru import portable, static
from keras_din.trace_context import trace_context

if keras.backend.backend() == "tensorflow":
    from keras_din.ops.gru import tensorflow

    _NATIVE: types.ModuleType = tensorflow
else:
    _NATIVE = static

_FORMS = {"native": _NATIVE, "static": static, "portable": portable}


def _form():
    """The module of the form that the thread's `TraceContext` has."""
    return _FORMS[trace_context().form]


@promote_half
def gru_states(inputs, kernel, mask):
    """Returns the state after each position of a GRU without attention.

    Args:
        inputs: Float tensor `(positions, 3 * units)`: `W i + b` of update gate, reset gate and
            candidate state.
        kernel: Float tensor `(units, 3 * units)`: `U` of the same three.
        mask: Bool tensor `(batch, time)`. `inputs` are its packed positions.

    Returns:
        Float tensor `(positions, units)`; 0 at padding if the packed form keeps padding.
    """
    return _form().gru_states(inputs, ops.cast(kernel, inputs.dtype), mask)


@promote_half
def gru_last(inputs, attention, kernel, mask):
    """Returns the state after the last position of each row, for each candidate.

    Args:
        inputs: Float tensor `(positions, candidates, 3 * units)`, or `(positions, 1, 3 * units)`
            if candidates differ only in attention. `2 * units` wide without an update gate.
        attention: Float tensor `(positions, candidates)`. It multiplies the update gate, or
            replaces it if there is none. `None` for the plain GRU.
        kernel: Float tensor `(units, 3 * units)`, or `(units, 2 * units)` without an update gate.
        mask: Bool tensor `(batch, time)`. `inputs` and `attention` are its packed positions.

    Returns:
        Float tensor `(batch, candidates, units)`; 0 for a row without a position.
    """
    return _form().gru_last(inputs, attention, ops.cast(kernel, inputs.dtype), mask)
