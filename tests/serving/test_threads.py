"""Exports in one thread do not change training, export and prediction in other threads."""

import concurrent.futures
import contextlib
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.ops.custom_gradient_tensorflow import custom_gradient
from keras_din.serving import saved_model
from keras_din.serving.graph.int8_tables import Int8Tables
from keras_din.serving.portable import portable_graph
from keras_din.serving.sample_rows import sample_rows
from keras_din.trace_context import TraceContext, trace_context

TIMEOUT = 240  # Seconds.
ITEM = kd.Categorical("item", 20, dim=4)
SPEC = kd.FeatureSpec(target=[ITEM], sequences=[kd.Sequence("hist", of=[ITEM], max_length=5)])
SAMPLE = sample_rows(SPEC)
X = SAMPLE.indices
Y = (np.arange(X["item"].size).reshape(X["item"].shape) % 3 == 0).astype("float32")


def built(build, policy="float32", seed=0, **options):
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(policy)
    try:
        return build(SPEC, hidden_units=(4,), dropout=0.0, **options)
    finally:
        keras.config.set_dtype_policy("float32")


def trained():
    """A model whose layers have custom gradients, before its first training step."""
    model = built(kd.build_dien, "mixed_bfloat16")
    model.compile(kd.optimizers.LazyAdam(0.01), kd.losses.BinaryCrossentropy())
    return model


def weights_after_training(model):
    for _ in range(3):
        model.train_on_batch(X, Y)
    return [keras.ops.convert_to_numpy(weight) for weight in model.weights]


@custom_gradient(lambda upstream, x: (-upstream,))
def square(x):
    """Returns the square. Its custom gradient is wrong on purpose."""
    return (x * x,)


def derivative_of_square():
    x = tf.constant(3.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = square(x)
    return tape.gradient(y, x).numpy()


class Pause(keras.layers.Layer):
    """Waits during tracing until it may continue."""

    def __init__(self):
        super().__init__(dtype="float32")
        self.reached, self.go_on = threading.Event(), threading.Event()

    def call(self, inputs):
        if not isinstance(inputs, keras.KerasTensor):
            self.reached.set()
            assert self.go_on.wait(TIMEOUT)
        return inputs

    def compute_output_shape(self, inputs_shape):
        return inputs_shape


def write_int8_version(model, folder):
    with Int8Tables(model).in_use():
        saved_model.write(model, SPEC, folder / "version", folder)


def trace_file(model, folder):
    portable_graph(model, SPEC)


@contextlib.contextmanager
def paused_export(export, model, folder):
    """A context during which another thread is tracing an export."""
    pause = Pause()
    model = keras.Model(model.input, pause(model.output))
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        future = threads.submit(export, model, folder)
        try:
            assert pause.reached.wait(TIMEOUT)
            yield
        finally:
            pause.go_on.set()
        future.result(TIMEOUT)


@pytest.mark.parametrize("export", [write_int8_version, trace_file])
def test_during_the_trace_of_an_export(tmp_path, export):
    exported = built(kd.build_din, "mixed_bfloat16", attention_units=(4,))
    before = np.asarray(exported(X))
    policies = [layer._dtype_policy for layer in exported._flatten_layers()]
    expected = weights_after_training(trained())
    with paused_export(export, exported, tmp_path):
        assert trace_context() == TraceContext()
        assert derivative_of_square() == -1
        np.testing.assert_array_equal(exported(X), before)
        weights = weights_after_training(trained())
    for weight, other in zip(weights, expected, strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-5, atol=1e-7)
    after = [layer._dtype_policy for layer in exported._flatten_layers()]
    assert all(one is other for one, other in zip(policies, after, strict=True))


def test_saving_during_an_export_keeps_the_policies(tmp_path):
    model = built(kd.build_base, "mixed_bfloat16")
    with paused_export(trace_file, model, tmp_path):
        model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for layer, other in zip(model.layers, loaded.layers, strict=True):
        if not isinstance(layer, keras.layers.InputLayer):  # Its policy is not saved.
            assert layer.dtype_policy == other.dtype_policy


def test_exports_and_training_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(saved_model, "check_parity", lambda *arguments: {})
    monkeypatch.setattr(saved_model, "write_warmup", lambda *arguments: {"file": ""})
    floats = built(kd.build_base, seed=1)
    half = built(kd.build_din, "mixed_bfloat16", seed=2, attention_units=(4,))
    x = {name: tf.constant(values) for name, values in SAMPLE.raw.items()}

    def exported(model, folder, tables):
        version = kd.export(model, SPEC, folder, tables=tables)
        return tf.saved_model.load(str(version)).signatures["rank"](**x)["ctr"].numpy()

    def jobs(folder, model):
        return [
            lambda: exported(floats, folder / "floats", "float32"),
            lambda: exported(half, folder / "half", "int8"),
            lambda: weights_after_training(model),
        ]

    one_by_one = [job() for job in jobs(tmp_path / "one by one", trained())]
    at_once = jobs(tmp_path / "at once", trained())
    with concurrent.futures.ThreadPoolExecutor(len(at_once)) as threads:
        futures = [threads.submit(job) for job in at_once]
        results = [future.result(TIMEOUT) for future in futures]
    for result, expected in zip(results, one_by_one, strict=True):
        for one, other in zip(result, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
