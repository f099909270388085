"""Exports models of mixed precision in float32."""

import contextlib
import threading

import keras
import tensorflow as tf

from keras_din.features import PADDING_INDEX, FeatureSpec, id_feature
from keras_din.layers.frozen_vectors import is_stored
from keras_din.ops.float32_sums import HALF
from keras_din.outputs import by_output, output_differences
from keras_din.serving.sample_rows import sample_rows
from keras_din.trace_context import trace_context, tracing

_lock = threading.Lock()  # Protects the dtype policies of layers while they are replaced.


@keras.saving.register_keras_serializable(package="keras_din")
class TraceDTypePolicy(keras.DTypePolicy):
    """A dtype policy that computes in float32 if the `TraceContext` requires it.

    Keras reads the dtypes of a layer from its policy, so the policy has to read the context. If
    the context does not require float32, it equals the policy that it replaces.

    Args:
        name: Name of the policy that it replaces, such as `"mixed_bfloat16"`.
    """

    replaced = None  # The original policy of the layer.
    blocks = 0  # Number of active contexts of `float32_inference` that use it.

    @property
    def compute_dtype(self):
        return "float32" if trace_context().float32 else super().compute_dtype

    @classmethod
    def from_config(cls, config):
        # Another thread may save the model now. It must be loaded with the original policy.
        return keras.DTypePolicy(**config)


@contextlib.contextmanager
def float32_inference(model: keras.Model):
    """A context in which the calling thread traces or calls a model in float32.

    Variables of mixed precision are float32 already, so the outputs are those of a model that was
    built in float32. Layers with variables of half precision do not change, and neither do
    functions that are already traced. Other threads may train the model in its own dtypes at the
    same time.
    """
    with _lock:
        layers = _half_layers(model)
        for layer in layers:
            if not isinstance(layer._dtype_policy, TraceDTypePolicy):
                policy = TraceDTypePolicy(_policy_of(layer).name)
                policy.replaced = layer._dtype_policy
                # The public setter would change a `DTypePolicyMap`.
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
    """Returns a function from inputs to the output, or the dict of outputs, in float32."""
    function = traced_once(model)

    def outputs(x):
        with float32_inference(model):
            return tf.nest.map_structure(lambda values: values.numpy(), function(x))

    return outputs


def traced_once(model: keras.Model):
    """Returns inference of the model as a function that is traced once for all input sizes."""
    inputs = {tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs}
    return tf.function(lambda x: model(x, training=False), input_signature=[inputs])


def half_precision_report(model: keras.Model, spec: FeatureSpec, live_float32) -> dict | None:
    """Returns the difference between half precision and float32, for `keras_din.json`.

    Args:
        model: The model.
        spec: Its `FeatureSpec`.
        live_float32: The function `float32_outputs(model)`.

    Returns:
        `None` for a model in float32. Otherwise a dict of `dtypes`, in which layers compute, and
        `largest_difference` between both precisions on sample rows.
    """
    layers = _half_layers(model)
    if not layers:
        return None
    x = sample_rows(spec).indices
    real = x[id_feature(spec.target).name] != PADDING_INDEX
    live = by_output(model.predict_on_batch(x), spec.served_outputs)
    live_float32 = by_output(live_float32(x), spec.served_outputs)
    return {
        "dtypes": sorted({layer.compute_dtype for layer in layers}),
        "largest_difference": max(
            float(output_differences(live[name], values)[real].max())
            for name, values in live_float32.items()
        ),
    }


def _half_layers(model: keras.Model) -> list:
    """Returns all layers, also nested, that compute in half precision with float32 variables."""
    return [
        layer
        for layer in model._flatten_layers()
        if layer.compute_dtype in HALF
        and layer.quantization_mode is None
        and not any(str(w.dtype) in HALF for w in layer.weights if not is_stored(w))
    ]
