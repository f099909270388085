"""Custom gradients on TensorFlow that do not keep graphs in memory.

`tf.custom_gradient` registers a function for each traced call, and never removes it. The function
refers to the tensors of the call, so the graph and the variables that it reads stay in memory.
Here a gradient is registered once, when its module is imported. It needs only the inputs of its
operation.
"""

import functools
import uuid

import tensorflow as tf
from tensorflow.python.eager import record  # The public API has only `tf.custom_gradient`.

from keras_din.trace_context import trace_context


def custom_gradient(gradient):
    """Decorator that gives a function of tensors a custom gradient.

    The function takes only tensors and returns `(result, *saved)`: its result, one tensor, and the
    tensors that the gradient needs besides the arguments.

    If the thread's `TraceContext` has `custom_gradients=False`, TensorFlow differentiates the
    operations of the function itself.

    Args:
        gradient: Function that returns the gradients of the first arguments as a tuple; the other
            arguments have none. Its arguments are the gradient of the result, the arguments of the
            function, and the saved tensors.

    Returns:
        The decorator. The decorated function returns only the result.
    """

    def decorate(function):
        # A name can be registered only once, but a module may be loaded again.
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
                # For the differentiation of graphs: of functions, branches and loops.
                graph = tf.compat.v1.get_default_graph()
                with graph.gradient_override_map({"IdentityN": name}):
                    result, *_ = tf.identity_n([result, *inputs])
            # For tapes. A record is released together with its tape.
            record.record_operation(
                name, [result], inputs, lambda of_result: of_inputs(of_result, inputs)
            )
            return result

        return call

    return decorate
