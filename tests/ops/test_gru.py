"""The GRU over histories: all implementations against NumPy, and the custom gradient."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_din.ops.gru import portable as gru_portable
from keras_din.ops.gru import static as gru_static
from keras_din.ops.gru import tensorflow as gru_tensorflow
from tests import reference

UNITS = 3


def case(seed, batch, time, candidates, shared, gates):
    rng = np.random.default_rng(seed)
    mask = rng.random((batch, time)) < 0.6
    shape = (batch, time, 1 if shared else candidates, gates * UNITS)
    inputs, attention = rng.normal(size=shape), rng.random((batch, time, candidates))
    return inputs, attention, rng.normal(size=(UNITS, gates * UNITS)), mask


def last(form, inputs, attention, kernel, mask):
    """Calls `gru_last` on padded arrays, converted to the packed form of each implementation."""
    if form is gru_tensorflow:
        take = lambda x: tf.boolean_mask(x, mask)  # noqa: E731
    else:
        take = lambda x: tf.reshape(x, (-1, *x.shape[2:]))  # noqa: E731
    return form.gru_last(
        take(inputs), None if attention is None else take(attention), kernel, tf.constant(mask)
    )


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    batch=st.integers(1, 4),
    time=st.integers(0, 5),
    candidates=st.integers(1, 3),
    shared=st.booleans(),
    kind=st.sampled_from(["plain", "scaled", "replaced"]),
)
def test_last_state_and_gradients_match_numpy(seed, batch, time, candidates, shared, kind):
    gates = 2 if kind == "replaced" else 3
    inputs, attention, kernel, mask = case(
        seed, batch, time, candidates, shared and kind != "plain", gates
    )
    expected = np.zeros((batch, candidates, UNITS))
    identity = np.eye(gates * UNITS)
    for b in range(batch):
        for c in range(candidates):
            x = inputs[b, mask[b], min(c, inputs.shape[2] - 1)]
            a = None if kind == "plain" else attention[b, mask[b], c]
            states = reference.gru(x, identity, kernel, np.zeros(gates * UNITS), a)
            expected[b, c] = states[-1] if len(states) else 0
    weights = np.random.default_rng(1).normal(size=expected.shape)
    results = []
    for form in (gru_static, gru_tensorflow):
        tensors = [tf.constant(inputs), tf.constant(attention), tf.constant(kernel)]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            x, a, k = tensors
            out = last(form, x, None if kind == "plain" else a, k, mask)
            loss = tf.reduce_sum(weights * out + out**2)
        np.testing.assert_allclose(out, expected, atol=1e-12)
        zeros = tf.UnconnectedGradients.ZERO
        results.append(tape.gradient(loss, tensors, unconnected_gradients=zeros))
    for of_scan, written_out in zip(*results, strict=True):
        np.testing.assert_allclose(of_scan, written_out, atol=1e-10)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), batch=st.integers(1, 4), time=st.integers(0, 5))
def test_all_states_and_gradients_match_numpy(seed, batch, time):
    inputs, _, kernel, mask = case(seed, batch, time, 1, True, 3)
    inputs = inputs[:, :, 0]
    expected = [
        reference.gru(inputs[b, mask[b]], np.eye(3 * UNITS), kernel, np.zeros(3 * UNITS))
        for b in range(batch)
    ]
    expected = np.concatenate(expected)
    weights = np.random.default_rng(1).normal(size=expected.shape)
    results = []
    for form in (gru_static, gru_tensorflow):
        x, k = tf.constant(inputs), tf.constant(kernel)
        with tf.GradientTape() as tape:
            tape.watch([x, k])
            if form is gru_tensorflow:
                states = form.gru_states(tf.boolean_mask(x, mask), k, tf.constant(mask))
            else:
                states = form.gru_states(tf.reshape(x, (-1, 3 * UNITS)), k, tf.constant(mask))
                np.testing.assert_array_equal(states[~mask.ravel()], 0)
                states = tf.boolean_mask(states, mask.ravel())
            loss = tf.reduce_sum(weights * states + states**2)
        np.testing.assert_allclose(states, expected, atol=1e-12)
        zeros = tf.UnconnectedGradients.ZERO
        results.append(tape.gradient(loss, [x, k], unconnected_gradients=zeros))
    for of_scan, written_out in zip(*results, strict=True):
        np.testing.assert_allclose(of_scan, written_out, atol=1e-10)


@pytest.mark.parametrize("kind", ["plain", "scaled", "replaced"])
@pytest.mark.parametrize("shared", [True, False])
def test_portable_form_matches_static_form(kind, shared):
    shared = shared and kind != "plain"
    arrays = case(3, 4, 5, 2, shared, 2 if kind == "replaced" else 3)
    inputs, attention, kernel, mask = map(tf.constant, arrays)
    a = None if kind == "plain" else attention
    np.testing.assert_allclose(
        last(gru_portable, inputs, a, kernel, mask),
        last(gru_static, inputs, a, kernel, mask),
        atol=1e-12,
    )
    if kind == "plain":
        x = tf.reshape(inputs[:, :, 0], (-1, 3 * UNITS))
        states = gru_static.gru_states(x, kernel, mask)
        np.testing.assert_allclose(gru_portable.gru_states(x, kernel, mask), states, atol=1e-12)


def test_step_order_of_a_small_mask():
    # Lengths 1, 0, 3 and 2: the longest history starts first, all end with the last step.
    mask = np.array([[0, 1, 0], [0, 0, 0], [1, 1, 1], [1, 0, 1]], bool)
    order = gru_tensorflow.step_order(tf.constant(mask))
    np.testing.assert_array_equal(order.active_rows, [1, 2, 3, 0])
    np.testing.assert_array_equal(order.row_order, [2, 3, 0, 1])
    np.testing.assert_array_equal(order.row_rank, [2, 3, 0, 1])
    # Positions: row 0 has 0; row 2 has 1, 2, 3; row 3 has 4, 5.
    np.testing.assert_array_equal(order.packed_index, [1, 2, 4, 3, 5, 0])
    np.testing.assert_array_equal(order.step_index, [5, 0, 1, 3, 2, 4])
    np.testing.assert_array_equal(order.previous, [-1, 0, -1, 1, 2, -1])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_graph_with_unknown_shapes(dtype):
    inputs, attention, kernel, mask = case(0, 4, 5, 2, True, 3)

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None, 1, 3 * UNITS), dtype),
            tf.TensorSpec((None, None, None), dtype),
            tf.TensorSpec((None, None), tf.bool),
        ]
    )
    def in_graph(x, a, mask):
        k = tf.cast(kernel, dtype)
        with tf.GradientTape() as tape:
            tape.watch(x)
            real = tf.where(mask)
            out = gru_tensorflow.gru_last(tf.gather_nd(x, real), tf.gather_nd(a, real), k, mask)
        return out, tape.gradient(out, x)

    x, a = tf.cast(inputs, dtype), tf.cast(attention, dtype)
    out, gradient = in_graph(x, a, tf.constant(mask))
    exact = last(gru_tensorflow, tf.constant(inputs), tf.constant(attention), kernel, mask)
    assert out.dtype == gradient.dtype == dtype
    np.testing.assert_allclose(
        tf.cast(out, "float64"), exact, atol=1e-6 if dtype == "float32" else 0.05
    )
    out, _ = in_graph(x[:, :0], a[:, :0], tf.zeros((4, 0), tf.bool))
    np.testing.assert_array_equal(out, np.zeros((4, 2, UNITS)))
