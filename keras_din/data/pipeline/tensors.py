"""Converts columns to tensors. Memory-mapped columns stay on disk."""

import ctypes

import numpy as np
import tensorflow as tf

_ALIGNMENT = 64  # TensorFlow kernels crash the process on memory with a smaller alignment.


def column_tensor(column: np.ndarray):
    """Converts a column to a tensor on the CPU.

    A memory-mapped and aligned column is shared with the tensor instead of copied, and is never
    written to. Files of `save_arrays`, and slices from their first row, are aligned. Such a column
    is read from disk on access, and the file stays open as long as the tensor exists. Any other
    column is copied.

    Args:
        column: `(rows,)` or `(rows, size)`, int32, int64, float16 or float32.

    Returns:
        A tensor of the same shape and type.
    """
    shared = (
        column.size
        and column.flags.c_contiguous
        and column.ctypes.data % _ALIGNMENT == 0
        and _is_memory_mapped(column)
    )
    with tf.device("CPU:0"):  # tf.data runs on the CPU, and a GPU must not hold the log.
        if not shared:
            # `tf.constant` would copy a column twice.
            return tf.convert_to_tensor(column)
        # NumPy does not export read-only arrays to DLPack, so the memory is shared by its address.
        memory = (ctypes.c_byte * column.nbytes).from_address(column.ctypes.data)
        memory.owner = column  # type: ignore[attr-defined]  # Any object of ctypes takes it.
        writable = np.frombuffer(memoryview(memory), column.dtype).reshape(column.shape)
        return tf.experimental.dlpack.from_dlpack(writable.__dlpack__())


def _is_memory_mapped(array) -> bool:
    while array is not None and not isinstance(array, np.memmap):
        array = getattr(array, "base", None)
    return array is not None
