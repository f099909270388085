"""Half precision over long histories: sums and gradients equal the rounded float32 result."""

import numpy as np
import pytest
import tensorflow as tf

from keras_din.ops import gru, packed
from keras_din.ops.float32_sums import promote_half
from keras_din.ops.packed import static as packed_static
from keras_din.ops.packed import tensorflow as packed_tensorflow
from keras_din.trace_context import FORMS, tracing

RESOLUTION = {"bfloat16": 2**-8, "float16": 2**-11}
HALVES = pytest.mark.parametrize("dtype", RESOLUTION)
EVERY_FORM = pytest.mark.parametrize("form", FORMS)


def numbers(x):
    return tf.cast(x, "float64").numpy()


def test_half_precision_is_computed_in_float32():
    seen = []

    @promote_half
    def product(x, y, number):
        seen.append([x.dtype, y.dtype])
        return x * y * number

    half = tf.constant([3.0], tf.bfloat16)
    # 3 * 100 * 1.01 = 303, which bfloat16 rounds to 304. In bfloat16, 1.01 is 1.0078.
    assert product(half, tf.constant([100.0], tf.bfloat16), 1.01).dtype == tf.bfloat16
    assert numbers(product(half, tf.constant([100.0], tf.bfloat16), 1.01)) == [304]
    assert seen == [[tf.float32] * 2] * 2


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_other_dtypes_are_not_cast(dtype):
    x = tf.ones(3, dtype)
    assert promote_half(lambda values, rows: values)(x, 0) is x
    rows, places = tf.zeros(3, tf.int32), tf.constant([0])
    with tf.Graph().as_default() as graph:
        x, rows, places = tf.ones((3, 2), dtype), tf.zeros(3, tf.int32), tf.constant([0])
        packed.segment_sum(x, rows, 1)
        packed.gather_rows(packed.gather_positions(x, places), places)
    assert "Cast" not in {operation.type for operation in graph.get_operations()}


@HALVES
@EVERY_FORM
@pytest.mark.parametrize("count", [1000, 5000])
def test_sum_of_many_ones_is_exact(form, count, dtype):
    rows, ones = tf.zeros(count, tf.int32), tf.ones((count, 2), dtype)
    with tracing(form=form):
        sums = packed.segment_sum(ones, rows, 1)
        means = packed.segment_mean(40 * ones, rows, tf.constant([count]))
    assert sums.dtype == dtype
    np.testing.assert_allclose(numbers(sums), count, rtol=RESOLUTION[dtype])
    # The sum overflows float16, the mean does not.
    np.testing.assert_array_equal(numbers(means), np.full((1, 2), 40))


@HALVES
@pytest.mark.parametrize("take", ["gather_rows", "gather_positions"])
def test_gradient_of_many_gathers_of_one_row(take, dtype):
    # `test_backends` checks the static form, on the backends that use it.
    values, places = tf.ones((2, 3), dtype), tf.zeros(5000, tf.int32)
    with tf.GradientTape() as tape:
        tape.watch(values)
        taken = getattr(packed_tensorflow, take)(values, places)
    assert taken.dtype == dtype
    gradient = numbers(tf.convert_to_tensor(tape.gradient(taken, values)))
    np.testing.assert_allclose(gradient, [[5000] * 3, [0] * 3], rtol=RESOLUTION[dtype])


@HALVES
@pytest.mark.parametrize("form", [packed_static, packed_tensorflow])
def test_gradient_of_many_equal_maxima(form, dtype):
    values = tf.ones((5000, 1), dtype)
    with tf.GradientTape() as tape:
        tape.watch(values)
        highest = form.segment_max(values, tf.zeros(5000, tf.int32), 1)
    gradient = numbers(tape.gradient(highest, values))
    np.testing.assert_allclose(gradient, 1 / 5000, rtol=0.01)


@HALVES
@EVERY_FORM
def test_softmax_over_many_positions(form, dtype):
    scores = tf.constant(np.linspace(-1, 1, 5000)[:, None], dtype)
    with tracing(form=form):
        weights = packed.segment_softmax(scores, tf.zeros(5000, tf.int32), 1)
    expected = np.exp(numbers(scores)) / np.exp(numbers(scores)).sum()
    np.testing.assert_allclose(numbers(weights), expected, rtol=RESOLUTION[dtype])
    np.testing.assert_allclose(numbers(weights).sum(), 1, rtol=RESOLUTION[dtype])


@HALVES
@EVERY_FORM
def test_row_attention_over_many_positions(form, dtype):
    from keras_din.ops import row_attention

    shape = (1, 1, 1, 2)
    queries, own_key, own_value = (tf.constant(x, dtype, shape) for x in (1, 1, 6))
    # All scores are equal, so the result is the mean (5000 * 40 + 6) / 5001.
    keys, values = tf.ones((5000, *shape[1:]), dtype), tf.fill((5000, *shape[1:]), 40.0)
    rows = tf.zeros(5000, tf.int32)
    with tracing(form=form):
        out = row_attention(queries, keys, tf.cast(values, dtype), own_key, own_value, rows)
    assert out.dtype == dtype
    np.testing.assert_allclose(numbers(out), 200006 / 5001, rtol=RESOLUTION[dtype])


@HALVES
@EVERY_FORM
def test_gru_state_after_many_small_steps(form, dtype):
    # h_t = h_{t-1} + a (tanh(1) - h_{t-1}) from 0, with r = 1/2 and U = 0: tanh(1) (1 - (1 - a)^n).
    inputs = tf.constant(np.tile([0.0, 1.0], (1000, 1, 1)), dtype)
    attention, kernel = tf.fill((1000, 1), tf.cast(2.0**-10, dtype)), tf.zeros((1, 2), dtype)
    with tracing(form=form):
        last = gru.gru_last(inputs, attention, kernel, tf.ones((1, 1000), tf.bool))
    assert last.dtype == dtype
    expected = np.tanh(1) * (1 - (1 - 2**-10) ** 1000)
    np.testing.assert_allclose(numbers(last), [[[expected]]], rtol=RESOLUTION[dtype])
