"""Columns as tensors: shared with the memory-mapped file where possible, else copied."""

import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf

from keras_din.data.pipeline.tensors import column_tensor


def on_disk(tmp_path, values):
    np.save(tmp_path / "values.npy", values)
    return np.load(tmp_path / "values.npy", mmap_mode="r")


def write_zeros(tmp_path):
    np.load(tmp_path / "values.npy", mmap_mode="r+")[:] = 0


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.float32])
def test_a_memory_mapped_column_is_shared(tmp_path, dtype):
    values = np.arange(100).astype(dtype)
    column = on_disk(tmp_path, values)
    tensors = [column_tensor(each) for each in (column, np.asarray(column), column[:60])]
    for tensor, rows in zip(tensors, (100, 100, 60), strict=True):
        assert tensor.dtype == dtype
        assert tensor.device.endswith("CPU:0")
        np.testing.assert_array_equal(tensor, values[:rows])
    write_zeros(tmp_path)  # A shared tensor changes with the file.
    for tensor in tensors:
        assert not tensor.numpy().any()


def test_file_stays_open_while_the_tensor_exists(tmp_path):
    column = on_disk(tmp_path, np.arange(100))
    lives = weakref.ref(column)
    tensor = column_tensor(column)
    del column
    gc.collect()
    (tmp_path / "values.npy").unlink()
    look_up = tf.function(lambda rows: tf.gather(tensor, rows))
    np.testing.assert_array_equal(look_up([7, 99]), [7, 99])
    assert lives() is not None
    tensor = look_up = None
    gc.collect()
    assert lives() is None


def test_other_columns_are_copied(tmp_path):
    column = on_disk(tmp_path, np.arange(100, dtype=np.int32))
    memory = np.arange(100, dtype=np.int32)
    copied = [column[1:], column[::2], column[:0], column + 0, memory, memory[:0]]
    expected = [each.copy() for each in copied]
    tensors = [column_tensor(each) for each in copied]
    write_zeros(tmp_path)
    memory[:] = 0
    for tensor, values in zip(tensors, expected, strict=True):
        np.testing.assert_array_equal(tensor, values)
