"""What a served model answers: functions of tensors, by the names of the spec."""

import numpy as np
import tensorflow as tf

from keras_din.features import PADDING_INDEX, FeatureSpec, id_feature
from keras_din.outputs import by_output
from keras_din.serving.graph.constants import call_with_constants
from keras_din.serving.graph.encoding import FeatureEncoder, raw_dtype

SIGNATURES = ("serving_default", "rank")


def input_specs(spec: FeatureSpec, signature: str) -> dict:
    """The tensors that a signature takes, by name.

    Context `(batch,)`, behaviors `(batch, time)`, target `(batch,)` of `serving_default` and
    `(batch, candidates)` of `rank`, and of a `Bag` one axis more, its values; each of the type
    of the feature's raw values.
    """
    return {
        name: tf.TensorSpec([None] * len(names), raw_dtype(spec.inputs[name].feature), name)
        for name, names in axes(spec, signature).items()
    }


def axes(spec: FeatureSpec, signature: str) -> dict:
    """Input name -> the names of its axes in a signature."""
    of_role = {
        "context": ("batch",),
        "behavior": ("batch", "time"),
        "target": ("batch", "candidates") if signature == "rank" else ("batch",),
    }
    return {name: (*of_role[info.role], *info.feature.axes) for name, info in spec.inputs.items()}


def most_recent(indices, max_length: int):
    """Which positions `(batch, time)` are among the last `max_length` real ones of their row."""
    real = indices != PADDING_INDEX
    behind = tf.cumsum(tf.cast(real, tf.int32), axis=1, reverse=True)
    return real & (behind <= max_length)


def model_inputs(spec: FeatureSpec, encoder: FeatureEncoder, inputs: dict) -> dict:
    """What clients send, with target `(batch, candidates)`, as what the model takes.

    A candidate is padding where the first `Categorical` of the target is, a behavior where that
    of its sequence is, whatever the other features say there. Of a history longer than
    `max_length` the most recent stay, of a bag of more than `max_values` the first. Inputs of
    different numbers of rows, candidates or behaviors are an `InvalidArgumentError` that names
    one.
    """
    first = id_feature(spec.target)
    inputs = _of_as_many_rows(first.name, inputs)
    x = {}
    for feature in (*spec.context, *spec.target):
        x[feature.name] = encoder(feature, inputs[feature.name])
    x[first.name] = encoder.with_padding(first, inputs[first.name])
    shape = tf.shape(x[first.name])
    for feature in spec.target:
        if feature is not first:
            x[feature.name] = _of_shape(shape, first.name, feature.name, x[feature.name])
    for sequence in spec.sequences:
        x |= _behaviors(sequence, encoder, inputs)
    return x


def _of_these_axes(spec: FeatureSpec, signature: str, inputs: dict) -> dict:
    """The inputs, checked to have the number of axes of the signature.

    A server feeds what a client sends, whatever the graph promises. Unchecked, another operation
    would fail that names no input, or one would answer something.
    """
    return {
        # The error names the tensor, and this operation.
        name: tf.raw_ops.EnsureShape(
            input=inputs[name],
            shape=tf.TensorShape([None] * len(names)),
            name=f"{name}_must_have_the_axes_{'_'.join(names)}",
        )
        for name, names in axes(spec, signature).items()
    }


def _of_as_many_rows(first: str, inputs: dict) -> dict:
    """The inputs, checked to have as many rows as the `first`.

    Else a history sent once for several candidates would be that of the first alone.
    """
    rows = tf.shape(inputs[first])[0]
    checks = [
        tf.debugging.assert_equal(
            tf.shape(values)[0], rows, f"{name} must have as many rows as {first}"
        )
        for name, values in inputs.items()
        if name != first
    ]
    with tf.control_dependencies(checks):
        return {name: tf.identity(values) for name, values in inputs.items()}


def _behaviors(sequence, encoder: FeatureEncoder, inputs: dict) -> dict:
    first = id_feature(sequence.of)
    name = sequence.input_name(first)
    indices = encoder.with_padding(first, inputs[name])
    shape = tf.shape(indices)
    keep = most_recent(indices, sequence.max_length)
    x = {name: tf.where(keep, indices, PADDING_INDEX)}
    for feature in sequence.features:
        if feature is not first:
            other = sequence.input_name(feature)
            values = encoder(feature, inputs[other])
            values = _of_shape(shape, name, other, values)
            kept = keep[(..., *[tf.newaxis] * len(feature.axes))]
            x[other] = tf.where(kept, values, tf.zeros((), values.dtype))
    return x


def _of_shape(shape, first: str, name: str, values):
    """The values, checked to have two axes as long as those of the `first`.

    Else rows of other lengths could be taken for one another, and one value for all.
    """
    check = tf.debugging.assert_equal(
        tf.shape(values)[:2], shape, f"{name} must have the shape of {first}"
    )
    with tf.control_dependencies([check]):
        return tf.identity(values)


def serving_default(model, spec: FeatureSpec, encoder: FeatureEncoder):
    """The function of the signature `serving_default`, with one row per candidate.

    It returns each output of the model by its name, `(batch,)`.
    """

    def function(**inputs):
        inputs = _of_these_axes(spec, "serving_default", inputs)
        for feature in spec.target:
            inputs[feature.name] = inputs[feature.name][:, tf.newaxis]
        outputs, _ = _score(model, spec, encoder, inputs)
        return {name: values[:, 0] for name, values in outputs.items()}

    return function


def rank(model, spec: FeatureSpec, encoder: FeatureEncoder, order_by: str | None = None):
    """The function of the signature `rank`, with one row per user and their candidates.

    It returns each output of the model by its name, `(batch, candidates)`, and `order`, int32 of
    the same shape: the places of the candidates, the best first, of equal ones the first first,
    and padding last.

    Args:
        model: The model.
        spec: Its `FeatureSpec`.
        encoder: The lookup tables of the spec.
        order_by: Name of the output that candidates are ordered by. Defaults to the first.
    """
    order_by = spec.outputs[0] if order_by is None else order_by

    def function(**inputs):
        inputs = _of_these_axes(spec, "rank", inputs)
        outputs, real = _score(model, spec, encoder, inputs)
        # The output of a real candidate may be 0 too, or less in a user's own model.
        sorted_by = tf.where(real, outputs[order_by], -np.inf)
        order = tf.math.top_k(sorted_by, tf.shape(real)[1]).indices
        return {**outputs, "order": order}

    return function


def _score(model, spec: FeatureSpec, encoder: FeatureEncoder, inputs: dict):
    """Outputs by name, and which candidates are real, all `(batch, candidates)`."""
    x = model_inputs(spec, encoder, inputs)
    real = x[id_feature(spec.target).name] != PADDING_INDEX
    outputs = by_output(call_with_constants(model, x), spec.outputs)
    outputs = {name: tf.cast(values, tf.float32) for name, values in outputs.items()}
    return {name: tf.where(real, values, 0.0) for name, values in outputs.items()}, real
