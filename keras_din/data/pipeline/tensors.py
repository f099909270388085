"""Columns as tensors: what is memory-mapped stays on disk."""

import ctypes

import numpy as np
import tensorflow as tf

_ALIGNMENT = 64  # Kernels of TensorFlow end the process on memory that is aligned to less.


def column_tensor(column: np.ndarray):
    """A column as a tensor on the CPU.

    What is memory-mapped and aligned, as a file of `save_arrays` and a slice from its first row
    are, is shared and never written to: it is read from disk where it is looked at, and the file
    stays open as long as the tensor lives. Anything else is copied.

    Args:
        column: `(rows,)`, int32, int64 or float32.

    Returns:
        A tensor `(rows,)` of the same type.
    """
    shared = (
        column.size
        and column.flags.c_contiguous
        and column.ctypes.data % _ALIGNMENT == 0
        and _is_memory_mapped(column)
    )
    with tf.device("CPU:0"):  # Where tf.data works; a GPU must not hold the log.
        if not shared:
            # `tf.constant` would copy a column twice.
            return tf.convert_to_tensor(column)
        # NumPy gives away no array that is read-only, so the memory is handed over by address.
        memory = (ctypes.c_byte * column.nbytes).from_address(column.ctypes.data)
        memory.owner = column
        shared = np.frombuffer(memory, column.dtype)
        return tf.experimental.dlpack.from_dlpack(shared.__dlpack__())


def _is_memory_mapped(array) -> bool:
    while array is not None and not isinstance(array, np.memmap):
        array = getattr(array, "base", None)
    return array is not None
