"""Custom gradients are in graphs for training, and not in served graphs."""

import gc
import weakref

import numpy as np
import tensorflow as tf

from keras_din.ops.custom_gradient_tensorflow import custom_gradient
from keras_din.trace_context import tracing


@custom_gradient(lambda of_square, x: (-of_square,))
def square(x):
    """Returns the square. Its custom gradient is wrong on purpose."""
    return (x * x,)


def derivative():
    x = tf.constant(3.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = square(x)
    return y.numpy(), tape.gradient(y, x).numpy()


def test_custom_gradients_can_be_disabled():
    assert derivative() == (9.0, -1.0)
    with tracing(custom_gradients=False):
        assert derivative() == (9.0, 6.0)
    assert derivative() == (9.0, -1.0)


def test_traced_graph_keeps_its_custom_gradient():
    with tracing(custom_gradients=False):
        function = tf.function(square).get_concrete_function(tf.TensorSpec((), tf.float32))
    nodes = function.graph.as_graph_def().node
    assert not any("_gradient_op_type" in node.attr for node in nodes)
    np.testing.assert_array_equal(function(tf.constant(3.0)), 9.0)
    with_gradient = tf.function(square).get_concrete_function(tf.TensorSpec((), tf.float32))
    nodes = with_gradient.graph.as_graph_def().node
    assert any("_gradient_op_type" in node.attr for node in nodes)


def test_graphs_are_released():
    """`tf.custom_gradient` would keep the graph, and with it the variable, in memory."""
    variable = tf.Variable(3.0)
    traced = tf.function(lambda: square(variable)).get_concrete_function()
    graph = weakref.ref(traced.graph)
    assert any("_gradient_op_type" in node.attr for node in graph().as_graph_def().node)
    del traced
    gc.collect()
    assert graph() is None


def test_gradients_in_functions_branches_and_loops():
    """A function is differentiated as a graph, and so are its branches and loops."""
    x = tf.constant(3.0)

    @tf.function
    def branch(x):
        return tf.cond(x > 0, lambda: square(x), lambda: x)

    @tf.function
    def with_tape(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = square(branch(x))
        return tape.gradient(y, x)

    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.function(square)(x) + branch(x)
    assert tape.gradient(y, x).numpy() == -2.0
    assert with_tape(x).numpy() == 1.0  # -1 of each square.
