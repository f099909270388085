"""Models that were trained in mixed precision compute in float32 where they are served."""

import contextlib
import threading

import keras
import numpy as np
import tensorflow as tf

from keras_din.features import PADDING_INDEX, FeatureSpec, id_feature
from keras_din.ops.float32_sums import HALF
from keras_din.outputs import by_output
from keras_din.serving.sample_rows import sample_rows
from keras_din.trace_context import trace_context, tracing

_lock = threading.Lock()  # Held while policies of layers are replaced.


@keras.saving.register_keras_serializable(package="keras_din")
class TraceDTypePolicy(keras.DTypePolicy):
    """A dtype policy that is float32 where the `TraceContext` requires it.

    Keras reads the dtypes of a layer from its policy, so the policy has to read the context. Where
    the context does not require float32, it equals the policy that it stands for.

    Args:
        name: Name of the policy that it stands for, such as `"mixed_bfloat16"`.
    """

    replaced = None  # The policy of the layer.
    blocks = 0  # How many blocks of `float32_inference` use it.

    @property
    def compute_dtype(self):
        return "float32" if trace_context().float32 else super().compute_dtype

    @classmethod
    def from_config(cls, config):
        # A model that another thread saves meanwhile is loaded without it.
        return keras.DTypePolicy(**config)


@contextlib.contextmanager
def float32_inference(model: keras.Model):
    """A block in which the calling thread traces or calls a model in float32.

    Variables of mixed precision are float32 already, so the numbers are those of a model that was
    built in float32. A layer with variables of half precision stays as it is, and so does what was
    traced before. Other threads may train the model meanwhile, in its own dtypes.
    """
    with _lock:
        layers = _half_layers(model)
        for layer in layers:
            if not isinstance(layer._dtype_policy, TraceDTypePolicy):
                policy = TraceDTypePolicy(_policy_of(layer).name)
                policy.replaced = layer._dtype_policy
                # Not by its setter, which would change a `DTypePolicyMap`.
                layer._dtype_policy = policy
            layer._dtype_policy.blocks += 1
    try:
        with tracing(float32=True):
            yield
    finally:
        with _lock:
            for layer in layers:
                policy = layer._dtype_policy
                policy.blocks -= 1
                if not policy.blocks:
                    layer._dtype_policy = policy.replaced


def _policy_of(layer) -> keras.DTypePolicy:
    policy = layer._dtype_policy
    is_map = isinstance(policy, keras.dtype_policies.DTypePolicyMap)
    return policy[layer.path] if is_map else policy


def float32_outputs(model: keras.Model):
    """Returns the function from inputs to the output, or the dict of outputs, in float32."""
    function = traced_once(model)

    def outputs(x):
        with float32_inference(model):
            return tf.nest.map_structure(lambda values: values.numpy(), function(x))

    return outputs


def traced_once(model: keras.Model):
    """Returns the model at inference as a function that is traced once, for all sizes of inputs."""
    inputs = {tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs}
    return tf.function(lambda x: model(x, training=False), input_signature=[inputs])


def half_precision_report(model: keras.Model, spec: FeatureSpec, live_float32) -> dict | None:
    """How far a model of half precision is from what is served, for `keras_din.json`.

    Args:
        model: The model.
        spec: Its `FeatureSpec`.
        live_float32: What `float32_outputs` gives of it.

    Returns:
        `dtypes` in which its layers compute, and `largest_difference` of the live model's outputs
        on sample rows from those in float32; `None` of a model of float32.
    """
    layers = _half_layers(model)
    if not layers:
        return None
    x = sample_rows(spec).indices
    real = x[id_feature(spec.target).name] != PADDING_INDEX
    live = by_output(model.predict_on_batch(x), spec.outputs)
    live_float32 = by_output(live_float32(x), spec.outputs)
    return {
        "dtypes": sorted({layer.compute_dtype for layer in layers}),
        "largest_difference": max(
            float(np.abs(live[name] - values)[real].max()) for name, values in live_float32.items()
        ),
    }


def _half_layers(model: keras.Model) -> list:
    """Returns all layers, nested ones too, that compute in half precision with other variables."""
    return [
        layer
        for layer in model._flatten_layers()
        if layer.compute_dtype in HALF
        and layer.quantization_mode is None
        and not any(str(weight.dtype) in HALF for weight in layer.weights)
    ]
