"""Carries the logits of probabilities to the loss, on every backend."""

import contextlib
import threading

_scope = threading.local()


def carry(probabilities, logits):
    """Returns `probabilities` and remembers their `logits`, a tensor of the same shape.

    Keras does so by an attribute, which its losses read on TensorFlow alone. Tensors of JAX take
    no attribute: there the pair is remembered inside of `carrying` and nowhere else.
    """
    try:
        probabilities._keras_logits = logits
    except AttributeError:
        pairs = getattr(_scope, "pairs", None)
        if pairs is not None:
            pairs[id(probabilities)] = probabilities, logits
    return probabilities


def carried(probabilities):
    """The logits that `carry` remembered of these very probabilities, or `None`."""
    logits = getattr(probabilities, "_keras_logits", None)
    if logits is None:
        pairs = getattr(_scope, "pairs", None) or {}
        _, logits = pairs.get(id(probabilities), (None, None))
    return logits


@contextlib.contextmanager
def carrying():
    """A block in which `carry` works on JAX. Its end forgets the tensors, so no trace stays."""
    before = getattr(_scope, "pairs", None)
    _scope.pairs = {}
    try:
        yield
    finally:
        _scope.pairs = before
