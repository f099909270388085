"""Which form the graphs of models have: what this backend is fastest with, or what others know."""

import contextlib

from keras_din.ops import gru, packed
from keras_din.ops.gru import portable as gru_portable
from keras_din.ops.packed import portable as packed_portable


@contextlib.contextmanager
def portable_form():
    """Has models that are called in the block use operations that other runtimes have too.

    The numbers are the same. All threads of the process are meant: nothing else may run a model
    meanwhile. Histories need at least one position, which may be padding.
    """
    before = packed.backend, gru.backend
    packed.backend, gru.backend = packed_portable, gru_portable
    try:
        yield
    finally:
        packed.backend, gru.backend = before


def is_portable() -> bool:
    """Whether such a block runs."""
    return packed.backend is packed_portable
