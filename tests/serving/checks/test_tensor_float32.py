"""The setting of TensorFloat-32 is restored after the last check."""

import contextlib

import pytest
import tensorflow as tf

from keras_din.serving.checks.tensor_float32 import without_tensor_float32


def enabled():
    return tf.config.experimental.tensor_float_32_execution_enabled()


def test_overlapping_checks_of_two_threads():
    assert enabled()
    first, second = contextlib.ExitStack(), contextlib.ExitStack()
    first.enter_context(without_tensor_float32())
    second.enter_context(without_tensor_float32())
    assert not enabled()
    first.close()
    assert not enabled()
    second.close()
    assert enabled()


def test_setting_is_restored_after_an_error():
    with pytest.raises(KeyError), without_tensor_float32():
        raise KeyError
    assert enabled()


def test_setting_of_the_user_is_restored():
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        with without_tensor_float32():
            assert not enabled()
        assert not enabled()
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(True)
