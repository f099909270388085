"""Gradients of our own on TensorFlow, which a graph that is only served does without."""

import contextlib
import functools

import tensorflow as tf

_wanted = True


def custom_gradient(function):
    """`tf.custom_gradient`, and inside `without_gradients` what the function gives alone."""
    with_gradient = tf.custom_gradient(function)

    @functools.wraps(function)
    def call(*arguments):
        return with_gradient(*arguments) if _wanted else function(*arguments)[0]

    return call


@contextlib.contextmanager
def without_gradients():
    """Graphs traced in the block have the same numbers and name no custom gradient.

    TensorFlow warns of one whose function was not saved whenever a SavedModel is loaded. All
    threads of the process are meant: nothing else may be traced for training meanwhile.
    """
    global _wanted
    before, _wanted = _wanted, False
    try:
        yield
    finally:
        _wanted = before
