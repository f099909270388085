"""Turns off TensorFloat-32 during checks, because it rounds products on recent GPUs."""

import contextlib
import threading

import tensorflow as tf

_lock = threading.Lock()
_blocks = 0  # How many blocks run.
_before = None  # The setting before the first of them.


@contextlib.contextmanager
def without_tensor_float32():
    """A block in which products of float32 are exact.

    TensorFlow has one setting for all threads of the process. So it is switched when the first of
    several blocks begins, and back when the last one ends. Other threads compute more exactly
    meanwhile, and more slowly on such a GPU.
    """
    global _blocks, _before
    config = tf.config.experimental
    with _lock:
        if not _blocks:
            _before = config.tensor_float_32_execution_enabled()
            config.enable_tensor_float_32_execution(False)
        _blocks += 1
    try:
        yield
    finally:
        with _lock:
            _blocks -= 1
            if not _blocks:
                config.enable_tensor_float_32_execution(_before)
