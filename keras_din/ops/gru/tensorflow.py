"""The GRU over packed histories on TensorFlow: a loop over time that computes only active rows.

Histories are aligned at their end. The loop starts with the first behavior of the longest history.
Shorter histories become active later, and the last step gives the last state of all rows. Rows are
sorted by length, so the active rows of a step are the first ones. Positions are sorted by step (the
step order), so the positions of a step are contiguous. The cost of a step is that of its active
rows plus a constant.

The gradient is implemented here. All terms that do not depend on the next step are computed for all
positions at once, so the backward loop has only one matrix product per step. TensorFlow's own
gradient takes the same time for 100 steps and twice the time for 427 steps.
"""

from typing import NamedTuple

import tensorflow as tf

from keras_din.ops.custom_gradient_tensorflow import custom_gradient
from keras_din.ops.gru.gates import gru_gates, gru_step_size
from keras_din.ops.packed.tensorflow import row_ids


class StepOrder(NamedTuple):
    """The step order of packed positions.

    `active_rows` `(time + 1,)` are the numbers of active rows per step, with a 0 at the end.
    `step_index` `(positions,)` maps packed positions to the step order, `packed_index` is its
    inverse. `previous` `(positions,)`, in the step order, is the index of the same row's previous
    step in the step order, or -1. `row_rank` `(batch,)` is the rank of a row by length, longest
    first, and `row_order` its inverse.
    """

    active_rows: object
    step_index: object
    packed_index: object
    previous: object
    row_rank: object
    row_order: object


def step_order(mask) -> StepOrder:
    """Computes the step order for a mask `(batch, time)`."""
    rows = row_ids(mask)
    lengths = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
    row_order = tf.argsort(lengths, direction="DESCENDING", stable=True)
    row_rank = tf.math.invert_permutation(row_order)
    positions = tf.range(tf.shape(rows)[0])
    to_end = tf.gather(tf.cumsum(lengths), rows) - 1 - positions
    longest = tf.reduce_max(tf.pad(lengths, [[0, 1]]))
    step = longest - 1 - to_end
    active_rows = tf.math.unsorted_segment_sum(tf.ones_like(step), step, longest + 1)
    first_of_step = tf.gather(tf.cumsum(active_rows, exclusive=True), step)
    step_index = first_of_step + tf.gather(row_rank, rows)
    packed_index = tf.math.invert_permutation(step_index)
    is_first = to_end == tf.gather(lengths, rows) - 1
    previous = tf.where(is_first, -1, tf.gather(step_index, tf.maximum(positions - 1, 0)))
    previous = tf.gather(previous, packed_index)
    return StepOrder(active_rows, step_index, packed_index, previous, row_rank, row_order)


def gru_states(inputs, kernel, mask):
    return _states(inputs, kernel, *step_order(mask))


def _gradient_of_states(d_states, inputs, kernel, *rest):
    *order, x, states = rest
    order = StepOrder(*order)
    d_states = tf.gather(d_states, order.packed_index)[:, tf.newaxis]
    d_x, d_kernel, _ = _backward(x, None, kernel, order, states, d_states, None)
    return tf.gather(d_x[:, 0], order.step_index), d_kernel


@custom_gradient(_gradient_of_states)
def _states(inputs, kernel, *order):
    order = StepOrder(*order)
    x = tf.gather(inputs, order.packed_index)[:, tf.newaxis]
    states, _ = _forward(x, None, kernel, order, 1)
    return tf.gather(states[:, 0], order.step_index), x, states


def gru_last(inputs, attention, kernel, mask):
    order = step_order(mask)
    if attention is None:
        last = _last(inputs, kernel, *order)
    else:
        last = _last_with_attention(inputs, kernel, attention, *order)
    return tf.ensure_shape(last, (None, None, kernel.shape[0]))


def _gradient_of_last(d_last, inputs, kernel, *rest):
    *order, x, states = rest
    return _gradient_of_rows(d_last, x, None, kernel, StepOrder(*order), states)[:2]


@custom_gradient(_gradient_of_last)
def _last(inputs, kernel, *order):
    order = StepOrder(*order)
    x = tf.gather(inputs, order.packed_index)
    states, last = _forward(x, None, kernel, order, tf.shape(x)[1])
    return _by_row(last, order), x, states


def _gradient_of_last_with_attention(d_last, inputs, kernel, attention, *rest):
    *order, x, a, states = rest
    return _gradient_of_rows(d_last, x, a, kernel, StepOrder(*order), states)


@custom_gradient(_gradient_of_last_with_attention)
def _last_with_attention(inputs, kernel, attention, *order):
    order = StepOrder(*order)
    x = tf.gather(inputs, order.packed_index)
    a = tf.gather(attention, order.packed_index)[..., tf.newaxis]
    states, last = _forward(x, a, kernel, order, tf.shape(a)[1])
    return _by_row(last, order), x, a, states


def _by_row(last, order):
    """Returns the last states in the order of the batch, `(batch, candidates, units)`."""
    empty_rows = tf.shape(order.row_rank)[0] - tf.shape(last)[0]
    return tf.gather(tf.pad(last, [[0, empty_rows], [0, 0], [0, 0]]), order.row_rank)


def _gradient_of_rows(d_last, x, attention, kernel, order, states):
    """Returns the gradients of inputs, kernel and attention from that of the last states."""
    d_last = tf.gather(d_last, order.row_order)[: tf.reduce_max(order.active_rows)]
    d_x, d_kernel, d_a = _backward(x, attention, kernel, order, states, None, d_last)
    d_attention = None if d_a is None else tf.gather(d_a, order.step_index)
    return tf.gather(d_x, order.step_index), d_kernel, d_attention


def _forward(x, attention, kernel, order, candidates):
    """Computes all states `(positions, candidates, units)` in the step order, and the last ones.

    `x` is `(positions, 1 or candidates, width)`, `attention` `(positions, candidates, 1)` or
    `None`.
    """
    units, width = kernel.shape
    x_steps = _split(x, order.active_rows)
    a_steps = None if attention is None else _split(attention, order.active_rows)

    def step(t, state, states):
        active = tf.gather(order.active_rows, t)
        state = tf.pad(state, [[0, active - tf.shape(state)[0]], [0, 0], [0, 0]])
        recurrent = tf.matmul(tf.reshape(state, (-1, units)), kernel)
        recurrent = tf.reshape(recurrent, (active, candidates, width))
        update, _, new = gru_gates(x_steps.read(t), recurrent, units)
        a = None if a_steps is None else a_steps.read(t)
        state += gru_step_size(update, a) * (new - state)
        state.set_shape((None, None, units))
        return t + 1, state, states.write(t, tf.reshape(state, (-1, units)))

    _, last, states = _loop(
        step, order.active_rows, tf.zeros((0, candidates, units), x.dtype), reverse=False
    )
    return tf.reshape(states.concat(), (-1, candidates, units)), last


def _backward(x, attention, kernel, order, states, d_states, d_last):
    """Returns the gradients of `x`, `kernel` and `attention` from those of states.

    The states are all states or the last ones. With `h = h' + g (h~ - h')`, `g = a u`, a step
    propagates `d = dL/dh` to `dL/dh' = d (1 - g) + (d * slopes) U^T`. The slopes are the
    derivatives of `h` with respect to `U h'`, which are computed before the loop.
    """
    units, width = kernel.shape
    candidates = tf.shape(states)[1]
    before = tf.gather(tf.pad(states, [[1, 0], [0, 0], [0, 0]]), order.previous + 1)
    recurrent = tf.reshape(
        tf.matmul(tf.reshape(before, (-1, units)), kernel), (-1, candidates, width)
    )
    update, reset, new = gru_gates(x, recurrent, units)
    size = gru_step_size(update, attention)
    d_size, d_new = new - before, size * (1 - tf.square(new))
    slopes_x = [d_new * recurrent[..., -units:] * reset * (1 - reset), d_new]
    if update is not None:
        d_update = d_size * update * (1 - update)
        slopes_x.insert(0, d_update if attention is None else attention * d_update)
    slopes = tf.concat([*slopes_x[:-1], d_new * reset], -1)
    kept = tf.broadcast_to(1 - size, tf.shape(states))

    slopes_steps, kept_steps = _split(slopes, order.active_rows), _split(kept, order.active_rows)
    given_steps = None if d_states is None else _split(d_states, order.active_rows)

    def step(t, d, all_d):
        active = tf.gather(order.active_rows, t)
        d = d[:active]
        if given_steps is not None:
            d += given_steps.read(t)
        recurrent_term = tf.tile(d, (1, 1, width // units)) * slopes_steps.read(t)
        recurrent_term = tf.matmul(
            tf.reshape(recurrent_term, (-1, width)), kernel, transpose_b=True
        )
        d_previous = d * kept_steps.read(t) + tf.reshape(
            recurrent_term, (active, candidates, units)
        )
        d_previous.set_shape((None, None, units))
        return t - 1, d_previous, all_d.write(t, tf.reshape(d, (-1, units)))

    if d_last is None:
        active = tf.reduce_max(order.active_rows)
        d_last = tf.zeros((active, candidates, units), x.dtype)
    _, _, d = _loop(step, order.active_rows, d_last, reverse=True)
    d = tf.reshape(d.concat(), (-1, candidates, units))

    by_gate = [d * slope for slope in slopes_x]
    d_x = tf.concat(by_gate, -1)
    by_gate[-1] *= reset
    before = tf.reshape(before, (-1, units))
    d_kernel = [
        tf.matmul(before, tf.reshape(gate, (-1, units)), transpose_a=True) for gate in by_gate
    ]
    d_x = tf.cond(
        tf.shape(x)[1] == candidates, lambda: d_x, lambda: tf.reduce_sum(d_x, 1, keepdims=True)
    )
    if attention is None:
        return d_x, tf.concat(d_kernel, -1), None
    d_attention = d * d_size if update is None else d * d_size * update
    return d_x, tf.concat(d_kernel, -1), tf.reduce_sum(d_attention, -1)


def _split(values, sizes):
    """Splits values in the step order into one element per step."""
    array = tf.TensorArray(
        values.dtype,
        tf.shape(sizes)[0],
        infer_shape=False,
        element_shape=(None, None, values.shape[-1]),
    )
    return array.split(values, sizes)


def _loop(step, sizes, state, reverse):
    """Runs `step(t, state, array)` over all steps. Elements are `(active * candidates, units)`.

    Like `active_rows`, the array has one more element, which is empty: an array without elements
    cannot be concatenated.
    """
    units = state.shape[-1]
    time = tf.shape(sizes)[0] - 1
    array = tf.TensorArray(state.dtype, time + 1, infer_shape=False, element_shape=(None, units))
    return tf.while_loop(
        (lambda t, *_: t >= 0) if reverse else (lambda t, *_: t < time),
        step,
        (time - 1 if reverse else 0, state, array.write(time, tf.zeros((0, units), state.dtype))),
        shape_invariants=(
            tf.TensorShape(()),
            tf.TensorShape((None, None, units)),
            tf.TensorShape(None),
        ),
    )
