"""Keeps logits next to their probabilities, so that the loss can use them on every backend."""

import contextlib
import threading

_scope = threading.local()


def attach_logits(probabilities, logits):
    """Returns `probabilities` and stores their `logits`, a tensor of the same shape.

    Keras stores logits in an attribute, which its losses read only on TensorFlow. JAX tensors do
    not allow attributes. There the pair is stored only inside of `logits_scope`.
    """
    try:
        probabilities._keras_logits = logits
    except AttributeError:
        pairs = getattr(_scope, "pairs", None)
        if pairs is not None:
            pairs[id(probabilities)] = probabilities, logits
    return probabilities


def logits_of(probabilities):
    """Returns the logits that `attach_logits` stored for this tensor, or `None`."""
    logits = getattr(probabilities, "_keras_logits", None)
    if logits is None:
        pairs = getattr(_scope, "pairs", None) or {}
        _, logits = pairs.get(id(probabilities), (None, None))
    return logits


@contextlib.contextmanager
def logits_scope():
    """Context in which `attach_logits` works on JAX. Its exit releases the tensors of the trace."""
    outer_pairs = getattr(_scope, "pairs", None)
    _scope.pairs = {}
    try:
        yield
    finally:
        _scope.pairs = outer_pairs
