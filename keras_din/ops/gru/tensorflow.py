"""The GRU over packed histories on TensorFlow: a loop over time that holds living rows only.

Histories end together: the loop begins with the first behavior of the longest, shorter ones join
later, and after the last step the state of each row is at hand. Rows are sorted by length, so
those that live at a step are the first ones, and the positions of a step stand together in the
order of steps. A step costs what its living rows cost, plus the overhead of a step.

The gradient is written out. All that does not hang on the step after is computed for all positions
at once, so the loop back has one product a step; TensorFlow's own gradient takes as long at 100
steps, and twice as long at 427.
"""

from typing import NamedTuple

import tensorflow as tf

from keras_din.ops.custom_gradient_tensorflow import custom_gradient
from keras_din.ops.gru.gates import gru_gates, gru_step_size
from keras_din.ops.packed.tensorflow import row_ids


class Steps(NamedTuple):
    """The order of steps.

    `sizes` `(time + 1,)` are the living rows of each step, and a 0 behind. `place`
    `(positions,)` is where a packed position stands in the order of steps, and `order` the
    position that stands at a place.
    `before` `(positions,)` is, at a place, that of the same row's step before, or -1.
    `row_place` `(batch,)` is where a row stands among the rows by length, `row_order` its inverse.
    """

    sizes: object
    place: object
    order: object
    before: object
    row_place: object
    row_order: object


def steps_of(mask) -> Steps:
    """The order of steps of a mask `(batch, time)`."""
    rows = row_ids(mask)
    lengths = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
    row_order = tf.argsort(lengths, direction="DESCENDING", stable=True)
    row_place = tf.math.invert_permutation(row_order)
    positions = tf.range(tf.shape(rows)[0])
    to_end = tf.gather(tf.cumsum(lengths), rows) - 1 - positions
    longest = tf.reduce_max(tf.pad(lengths, [[0, 1]]))
    step = longest - 1 - to_end
    sizes = tf.math.unsorted_segment_sum(tf.ones_like(step), step, longest + 1)
    place = tf.gather(tf.cumsum(sizes, exclusive=True), step) + tf.gather(row_place, rows)
    order = tf.math.invert_permutation(place)
    first = to_end == tf.gather(lengths, rows) - 1
    before = tf.where(first, -1, tf.gather(place, tf.maximum(positions - 1, 0)))
    return Steps(sizes, place, order, tf.gather(before, order), row_place, row_order)


def gru_states(inputs, kernel, mask):
    return _states(inputs, kernel, *steps_of(mask))


def _gradient_of_states(of_states, inputs, kernel, *rest):
    *steps, x, states = rest
    steps = Steps(*steps)
    of_states = tf.gather(of_states, steps.order)[:, tf.newaxis]
    of_x, of_kernel, _ = _backward(x, None, kernel, steps, states, of_states, None)
    return tf.gather(of_x[:, 0], steps.place), of_kernel


@custom_gradient(_gradient_of_states)
def _states(inputs, kernel, *steps):
    steps = Steps(*steps)
    x = tf.gather(inputs, steps.order)[:, tf.newaxis]
    states, _ = _forward(x, None, kernel, steps, 1)
    return tf.gather(states[:, 0], steps.place), x, states


def gru_last(inputs, attention, kernel, mask):
    steps = steps_of(mask)
    if attention is None:
        last = _last(inputs, kernel, *steps)
    else:
        last = _last_with_attention(inputs, kernel, attention, *steps)
    return tf.ensure_shape(last, (None, None, kernel.shape[0]))


def _gradient_of_last(of_last, inputs, kernel, *rest):
    *steps, x, states = rest
    return _gradient_of_rows(of_last, x, None, kernel, Steps(*steps), states)[:2]


@custom_gradient(_gradient_of_last)
def _last(inputs, kernel, *steps):
    steps = Steps(*steps)
    x = tf.gather(inputs, steps.order)
    states, last = _forward(x, None, kernel, steps, tf.shape(x)[1])
    return _of_rows(last, steps), x, states


def _gradient_of_last_with_attention(of_last, inputs, kernel, attention, *rest):
    *steps, x, a, states = rest
    return _gradient_of_rows(of_last, x, a, kernel, Steps(*steps), states)


@custom_gradient(_gradient_of_last_with_attention)
def _last_with_attention(inputs, kernel, attention, *steps):
    steps = Steps(*steps)
    x = tf.gather(inputs, steps.order)
    a = tf.gather(attention, steps.order)[..., tf.newaxis]
    states, last = _forward(x, a, kernel, steps, tf.shape(a)[1])
    return _of_rows(last, steps), x, a, states


def _of_rows(last, steps):
    """The last states, those of living rows by length, as `(batch, candidates, units)`."""
    without = tf.shape(steps.row_place)[0] - tf.shape(last)[0]  # Rows without a behavior.
    return tf.gather(tf.pad(last, [[0, without], [0, 0], [0, 0]]), steps.row_place)


def _gradient_of_rows(of_last, x, attention, kernel, steps, states):
    """The gradients of inputs, `kernel` and attention, from that of what `_of_rows` returned."""
    of_last = tf.gather(of_last, steps.row_order)[: tf.reduce_max(steps.sizes)]
    of_x, of_kernel, of_a = _backward(x, attention, kernel, steps, states, None, of_last)
    of_attention = None if of_a is None else tf.gather(of_a, steps.place)
    return tf.gather(of_x, steps.place), of_kernel, of_attention


def _forward(x, attention, kernel, steps, candidates):
    """All states `(positions, candidates, units)` in the order of steps, and the last ones.

    `x` is `(positions, 1 or candidates, width)`, `attention` `(positions, candidates, 1)` or
    `None`.
    """
    units, width = kernel.shape
    x_of = _split(x, steps.sizes)
    a_of = None if attention is None else _split(attention, steps.sizes)

    def step(t, state, states):
        living = tf.gather(steps.sizes, t)
        state = tf.pad(state, [[0, living - tf.shape(state)[0]], [0, 0], [0, 0]])
        recurrent = tf.matmul(tf.reshape(state, (-1, units)), kernel)
        recurrent = tf.reshape(recurrent, (living, candidates, width))
        update, _, new = gru_gates(x_of.read(t), recurrent, units)
        a = None if a_of is None else a_of.read(t)
        state += gru_step_size(update, a) * (new - state)
        state.set_shape((None, None, units))
        return t + 1, state, states.write(t, tf.reshape(state, (-1, units)))

    _, last, states = _loop(
        step, steps.sizes, tf.zeros((0, candidates, units), x.dtype), reverse=False
    )
    return tf.reshape(states.concat(), (-1, candidates, units)), last


def _backward(x, attention, kernel, steps, states, of_states, of_last):
    """The gradients of `x`, `kernel` and `attention`, from those of all states or the last ones.

    With `h = h' + g (h~ - h')`, `g = a u`, a step hands `d = dL/dh` on as
    `d (1 - g) + (d * slopes) U^T`: slopes are those of `h` in `U h'`, known before the loop.
    """
    units, width = kernel.shape
    candidates = tf.shape(states)[1]
    before = tf.gather(tf.pad(states, [[1, 0], [0, 0], [0, 0]]), steps.before + 1)
    recurrent = tf.reshape(
        tf.matmul(tf.reshape(before, (-1, units)), kernel), (-1, candidates, width)
    )
    update, reset, new = gru_gates(x, recurrent, units)
    size = gru_step_size(update, attention)
    of_size, of_new = new - before, size * (1 - tf.square(new))
    slopes_x = [of_new * recurrent[..., -units:] * reset * (1 - reset), of_new]
    if update is not None:
        of_update = of_size * update * (1 - update)
        slopes_x.insert(0, of_update if attention is None else attention * of_update)
    slopes = tf.concat([*slopes_x[:-1], of_new * reset], -1)
    kept = tf.broadcast_to(1 - size, tf.shape(states))

    slopes_of, kept_of = _split(slopes, steps.sizes), _split(kept, steps.sizes)
    given_of = None if of_states is None else _split(of_states, steps.sizes)

    def step(t, d, all_d):
        living = tf.gather(steps.sizes, t)
        d = d[:living]
        if given_of is not None:
            d += given_of.read(t)
        through = tf.tile(d, (1, 1, width // units)) * slopes_of.read(t)
        through = tf.matmul(tf.reshape(through, (-1, width)), kernel, transpose_b=True)
        handed_on = d * kept_of.read(t) + tf.reshape(through, (living, candidates, units))
        handed_on.set_shape((None, None, units))
        return t - 1, handed_on, all_d.write(t, tf.reshape(d, (-1, units)))

    if of_last is None:
        living = tf.reduce_max(steps.sizes)
        of_last = tf.zeros((living, candidates, units), x.dtype)
    _, _, d = _loop(step, steps.sizes, of_last, reverse=True)
    d = tf.reshape(d.concat(), (-1, candidates, units))

    by_gate = [d * slope for slope in slopes_x]
    of_x = tf.concat(by_gate, -1)
    by_gate[-1] *= reset
    before = tf.reshape(before, (-1, units))
    of_kernel = [
        tf.matmul(before, tf.reshape(gate, (-1, units)), transpose_a=True) for gate in by_gate
    ]
    of_x = tf.cond(
        tf.shape(x)[1] == candidates, lambda: of_x, lambda: tf.reduce_sum(of_x, 1, keepdims=True)
    )
    if attention is None:
        return of_x, tf.concat(of_kernel, -1), None
    of_attention = d * of_size if update is None else d * of_size * update
    return of_x, tf.concat(of_kernel, -1), tf.reduce_sum(of_attention, -1)


def _split(values, sizes):
    """What each step reads of values in the order of steps."""
    array = tf.TensorArray(
        values.dtype,
        tf.shape(sizes)[0],
        infer_shape=False,
        element_shape=(None, None, values.shape[-1]),
    )
    return array.split(values, sizes)


def _loop(step, sizes, state, reverse):
    """Runs `step(t, state, array)` over all steps; the array takes `(living * candidates, units)`.

    As `sizes`, the array has an entry more, without rows: nothing can be joined of no entries.
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
