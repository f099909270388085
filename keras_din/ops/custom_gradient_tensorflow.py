"""Gradients of our own on TensorFlow, which keep no graph alive.

`tf.custom_gradient` registers a function for each call that is traced, and never forgets it. The
function holds the tensors of the call, so the graph stays in memory, and with it the variables that
the graph reads. Here a gradient is registered once, when its module is imported. All that it needs
are the inputs of the operation whose gradient it is.
"""

import functools
import uuid

import tensorflow as tf
from tensorflow.python.eager import record  # Of the public API only `tf.custom_gradient` records.

from keras_din.trace_context import trace_context


def custom_gradient(gradient):
    """Decorator: gives a function of tensors a gradient that is written out.

    The function takes tensors alone and returns `(result, *saved)`: its result, one tensor, and
    the tensors that the gradient needs besides the arguments.

    Where the thread's `TraceContext` has `custom_gradients=False`, TensorFlow differentiates the
    operations of the function itself.

    Args:
        gradient: Function of the gradient of the result, then of the arguments, then of what was
            saved, to a tuple: the gradients of the first arguments. The others have none.

    Returns:
        The decorator. The function that it returns gives the result alone.
    """

    def decorate(function):
        # A module that is loaded again registers another name.
        name = f"{function.__module__}.{function.__name__}.{uuid.uuid4().hex}"

        @tf.RegisterGradient(name)
        def of_operation(operation, of_result, *_):
            return [None, *of_inputs(of_result, operation.inputs[1:])]

        def of_inputs(of_result, inputs):
            gradients = gradient(tf.convert_to_tensor(of_result), *inputs)
            return [*gradients, *[None] * (len(inputs) - len(gradients))]

        @functools.wraps(function)
        def call(*arguments):
            arguments = [tf.convert_to_tensor(argument) for argument in arguments]
            result, *saved = function(*arguments)
            if not trace_context().custom_gradients:
                return result
            inputs = [*arguments, *saved]
            if tf.executing_eagerly():
                result = tf.identity(result)
            else:
                # Read where a graph is differentiated: one of a function, a branch or a loop.
                graph = tf.compat.v1.get_default_graph()
                with graph.gradient_override_map({"IdentityN": name}):
                    result, *_ = tf.identity_n([result, *inputs])
            # Read by a tape, which holds it no longer than it is held itself.
            record.record_operation(
                name, [result], inputs, lambda of_result: of_inputs(of_result, inputs)
            )
            return result

        return call

    return decorate
