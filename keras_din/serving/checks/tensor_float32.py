"""Turns off TensorFloat-32 during checks, because it rounds products on recent GPUs."""

import contextlib
import threading

import tensorflow as tf

_lock = threading.Lock()
_blocks = 0  # Number of active blocks.
_before = None  # The setting before the first block.


@contextlib.contextmanager
def without_tensor_float32():
    """A context in which products of float32 are not rounded to TensorFloat-32.

    TensorFlow has one setting for all threads of the process. The first active context changes
    it, and the last one restores it. In between, other threads also compute in full float32,
    which is slower on such a GPU.
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
