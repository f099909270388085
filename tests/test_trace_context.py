"""The trace context is local to a thread and is restored after its block."""

import dataclasses
import threading

import numpy as np
import pytest
import tensorflow as tf

from keras_din.layers import Embedding
from keras_din.ops import packed
from keras_din.trace_context import TraceContext, trace_context, tracing


def test_tracing_changes_settings_and_restores_them():
    before = trace_context()

    def fail():
        with tracing(form="portable"):
            with tracing(float32=True):
                assert trace_context() == TraceContext(form="portable", float32=True)
            assert trace_context() == TraceContext(form="portable")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert trace_context() is before
    assert before == TraceContext()


def test_training_is_the_default():
    default = TraceContext()
    assert (default.form, default.custom_gradients, default.float32) == ("native", True, False)
    assert dict(default.lookups) == {}


def test_tracing_does_not_affect_other_threads():
    seen = []
    with tracing(form="portable"):
        thread = threading.Thread(target=lambda: seen.append(trace_context()))
        thread.start()
        thread.join(timeout=10)
    assert seen == [TraceContext()]


def test_trace_context_is_immutable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        trace_context().float32 = True
    with pytest.raises(TypeError, match="does not support item assignment"):
        trace_context().lookups["a"] = None


def test_unknown_form_raises():
    message = "`form` must be one of 'native', 'static', 'portable'. Received: form='fast'"
    with pytest.raises(ValueError, match=message), tracing(form="fast"):
        pass


def test_traced_function_keeps_its_form():
    mask = tf.constant([[True, False], [True, True]])

    @tf.function
    def rows(mask):
        return packed.row_ids(mask)

    with tracing(form="static"):
        np.testing.assert_array_equal(rows(mask), [0, 2, 1, 1])
    np.testing.assert_array_equal(rows(mask), [0, 2, 1, 1])
    np.testing.assert_array_equal(packed.row_ids(mask), [0, 1, 1])


def test_lookups_replace_the_lookup_of_one_layer():
    one, other = Embedding(5, 2, "ones"), Embedding(5, 2, "ones")
    lookups = {one: lambda rows: tf.fill((*rows.shape, 2), 7.0)}
    indices = np.array([[0, 2]])
    one.build(), other.build()
    with tracing(lookups=lookups):
        np.testing.assert_array_equal(one(indices), [[[0, 0], [7, 7]]])
        np.testing.assert_array_equal(other(indices), [[[0, 0], [1, 1]]])
    np.testing.assert_array_equal(one(indices), [[[0, 0], [1, 1]]])
