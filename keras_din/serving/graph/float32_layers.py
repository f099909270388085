"""What trained in half precision computes in float32 where it is served."""

import contextlib

import keras
import numpy as np
import tensorflow as tf

from keras_din.features import PADDING_INDEX, FeatureSpec, id_feature
from keras_din.ops.float32_sums import HALF
from keras_din.serving.sample_rows import sample_rows


@contextlib.contextmanager
def in_float32(model: keras.Model):
    """Has the model compute in float32, and not in half precision, when traced or called eagerly.

    Variables of mixed precision are float32 already, so its numbers are those of a model built in
    float32; a layer with variables of half precision stays as it is. What was traced before does
    too; no other thread may call the model meanwhile.
    """
    layers = _half_layers(model)
    policies = [layer._dtype_policy for layer in layers]
    for layer in layers:
        # Not by its setter: of a map of policies that would change the map.
        layer._dtype_policy = keras.DTypePolicy("float32")
    try:
        yield
    finally:
        for layer, policy in zip(layers, policies, strict=True):
            layer._dtype_policy = policy


def ctr_in_float32(model: keras.Model):
    """The function from the model's inputs to its `ctr` `(batch, candidates)` in float32."""
    function = traced_once(model)

    def ctr(x):
        with in_float32(model):
            return function(x).numpy()

    return ctr


def traced_once(model: keras.Model):
    """The model at inference as a function that is traced once, for inputs of any size."""
    inputs = {tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs}
    return tf.function(lambda x: model(x, training=False), input_signature=[inputs])


def half_precision(model: keras.Model, spec: FeatureSpec, in_floats) -> dict | None:
    """How far a model of half precision is from what is served, for `keras_din.json`.

    Args:
        model: The model.
        spec: Its `FeatureSpec`.
        in_floats: What `ctr_in_float32` gives of it.

    Returns:
        `dtypes` in which its layers compute, and `largest_difference` of the live model's `ctr`
        on sample rows from that in float32; `None` of a model of float32.
    """
    layers = _half_layers(model)
    if not layers:
        return None
    x = sample_rows(spec).indices
    real = x[id_feature(spec.target).name] != PADDING_INDEX
    difference = np.abs(model.predict_on_batch(x) - in_floats(x))[real]
    return {
        "dtypes": sorted({layer.compute_dtype for layer in layers}),
        "largest_difference": float(difference.max()),
    }


def _half_layers(model: keras.Model) -> list:
    """The layers, at any depth, that compute in half precision with variables that are not."""
    return [
        layer
        for layer in model._flatten_layers()
        if layer.compute_dtype in HALF
        and layer.quantization_mode is None
        and not any(str(weight.dtype) in HALF for weight in layer.weights)
    ]
