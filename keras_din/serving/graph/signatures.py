"""The signatures of a served model. Inputs and outputs have the names of the spec."""

import numpy as np
import tensorflow as tf

from keras_din.features import (
    PADDING_INDEX,
    TIME,
    BagWeights,
    FeatureSpec,
    SnapshotCount,
    id_feature,
)
from keras_din.outputs import by_output
from keras_din.serving.graph.constants import call_with_constants
from keras_din.serving.graph.encoding import FeatureEncoder, raw_dtype
from keras_din.serving.graph.order_formula import OrderFormula
from keras_din.time_index import graph_indices

SIGNATURES = ("serving_default", "rank")


def input_specs(spec: FeatureSpec, signature: str) -> dict:
    """Returns name -> `tf.TensorSpec` for the inputs of a signature.

    Shapes: context `(batch,)`, behaviors `(batch, time)`, target `(batch,)` in `serving_default`
    and `(batch, candidates)` in `rank`. A `Bag` has one more axis, its values, and its weights have
    the same shape. A `Vector` without `of` has one more axis of its size. The dtype is that of the
    raw values. Features that are computed from times have the inputs `time` `(batch,)` and
    `{sequence}_time` `(batch, time)` instead of their own, int64.
    """
    return {
        name: tf.TensorSpec(shape, raw_dtype(spec.raw_inputs[name].feature), name)
        for name, shape in _shapes(spec, signature).items()
    }


def _shapes(spec: FeatureSpec, signature: str) -> dict:
    """Returns input name -> its shape in a signature, `None` for a size that may be any."""
    return {
        name: [*[None] * (len(names) - len(info.feature.shape)), *info.feature.shape]
        for (name, names), info in zip(
            axes(spec, signature).items(), spec.raw_inputs.values(), strict=True
        )
    }


def axes(spec: FeatureSpec, signature: str) -> dict:
    """Returns input name -> names of its axes in a signature."""
    of_role = {
        "context": ("batch",),
        "behavior": ("batch", "time"),
        "target": ("batch", "candidates") if signature == "rank" else ("batch",),
    }
    return {
        name: (*of_role[info.role], *info.feature.axes) for name, info in spec.raw_inputs.items()
    }


def most_recent(indices, max_length: int):
    """Returns a bool mask `(batch, time)` of the last `max_length` valid positions of each row."""
    real = indices != PADDING_INDEX
    count_from_end = tf.cumsum(tf.cast(real, tf.int32), axis=1, reverse=True)
    return real & (count_from_end <= max_length)


def model_inputs(spec: FeatureSpec, encoder: FeatureEncoder, inputs: dict) -> dict:
    """Encodes raw inputs, with target `(batch, candidates)`, as inputs of the model.

    A candidate is padding if the first `Categorical` of the target is padding. A behavior is
    padding if the first `Categorical` of its sequence is padding. Other features do not matter
    there. Of a history longer than `max_length` the most recent behaviors are used, of a bag with
    more than `max_values` values the first ones. If the numbers of rows, candidates or behaviors
    differ between inputs, or those of the values of a bag and its weights, an
    `InvalidArgumentError` names one of them. Features that are computed
    from times read `time` and `{sequence}_time` instead of an input of their own.
    """
    first = id_feature(spec.target)
    inputs = _check_weights(spec, _check_row_counts(first.name, inputs))
    x = {}
    for name, info in spec.inputs.items():
        if info.sequence is None and info.feature.from_times:
            x[name] = graph_indices(info.feature, inputs[TIME])
        elif info.sequence is None and not info.feature.from_snapshot:
            x[name] = encoder(info.feature, inputs[name])
    x[first.name] = encoder.with_padding(first, inputs[first.name])
    shape = tf.shape(x[first.name])
    for feature in (*spec.context, *spec.target):
        if isinstance(feature, SnapshotCount):
            x[feature.name] = encoder.snapshot(feature, x[feature.key])
    for name, info in spec.inputs.items():
        if info.role != "target" or info.feature is first:
            continue
        if info.feature.from_times:
            x[name] = tf.broadcast_to(x[name][:, tf.newaxis], shape)
        else:
            x[name] = _check_shape(shape, first.name, name, x[name])
    for sequence in spec.sequences:
        x |= _behaviors(spec, sequence, encoder, inputs)
    return x


def _check_axes(spec: FeatureSpec, signature: str, inputs: dict) -> dict:
    """Returns the inputs, and fails in the graph if one has another number of axes.

    A server does not compare requests with the shapes of the graph. Without this check, a later
    operation would fail without the name of the input, or would compute a wrong output.
    """
    shapes = _shapes(spec, signature)
    return {
        # The error message contains the names of the tensor and of this operation.
        name: tf.raw_ops.EnsureShape(
            input=inputs[name],
            shape=tf.TensorShape(shapes[name]),
            name=f"{name}_must_have_the_axes_{'_'.join(names)}",
        )
        for name, names in axes(spec, signature).items()
    }


def _check_row_counts(first: str, inputs: dict) -> dict:
    """Returns the inputs, and fails in the graph if one has another number of rows than `first`.

    Without this check, a single history for several candidates would be used for the first
    candidate only.
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


def _check_weights(spec: FeatureSpec, inputs: dict) -> dict:
    """Returns the inputs, and fails in the graph if a bag and its weights differ in shape.

    Without this check, one weight could be broadcast to all values.
    """
    checks = []
    for name, info in spec.raw_inputs.items():
        if isinstance(info.feature, BagWeights):
            bag = info.feature.input_of_bag(name)
            sizes = tf.shape(inputs[bag]), tf.shape(inputs[name])
            checks.append(tf.debugging.assert_equal(*sizes, f"{name} must have the shape of {bag}"))
    with tf.control_dependencies(checks):
        return {name: tf.identity(values) for name, values in inputs.items()}


def _behaviors(spec: FeatureSpec, sequence, encoder: FeatureEncoder, inputs: dict) -> dict:
    first = id_feature(sequence.of)
    name = sequence.input_name(first)
    indices = encoder.with_padding(first, inputs[name])
    shape = tf.shape(indices)
    keep = most_recent(indices, sequence.max_length)
    x = {name: tf.where(keep, indices, PADDING_INDEX)}
    features = {n: info.feature for n, info in spec.inputs.items() if info.sequence is sequence}
    for other, feature in features.items():
        if feature is not first:
            if feature.from_times:
                at = f"{sequence.name}_{TIME}"
                times = _check_shape(shape, name, at, inputs[at])
                request = inputs[TIME][:, tf.newaxis] if feature.reads_request else None
                values = graph_indices(feature, times, request)
            else:
                values = _check_shape(shape, name, other, encoder(feature, inputs[other]))
            kept = keep[(..., *[tf.newaxis] * len(feature.axes))]
            x[other] = tf.where(kept, values, tf.zeros((), values.dtype))
    return x


def _check_shape(shape, first: str, name: str, values):
    """Returns the values, and fails in the graph if their first two axes differ from `first`.

    Without this check, rows of other lengths could be mixed up, and one value broadcast to all.
    """
    check = tf.debugging.assert_equal(
        tf.shape(values)[:2], shape, f"{name} must have the shape of {first}"
    )
    with tf.control_dependencies([check]):
        return tf.identity(values)


def serving_default(model, spec: FeatureSpec, encoder: FeatureEncoder):
    """Returns the function of the signature `serving_default`, with one row per candidate.

    The function returns output name -> values `(batch,)`.
    """

    def function(**inputs):
        inputs = _check_axes(spec, "serving_default", inputs)
        for name, info in spec.raw_inputs.items():
            if info.role == "target":
                inputs[name] = inputs[name][:, tf.newaxis]
        outputs, _ = _score(model, spec, encoder, inputs)
        return {name: values[:, 0] for name, values in outputs.items()}

    return function


def rank(model, spec: FeatureSpec, encoder: FeatureEncoder, order_by: OrderFormula | None = None):
    """Returns the function of the signature `rank`, with one row per user and their candidates.

    The function returns output name -> values `(batch, candidates)`, and `order`, int32 of the
    same shape: the positions of the candidates, sorted by descending output, or by a formula. The
    sort is stable. Candidates whose formula is not finite come after the others, and padding comes
    last.

    Args:
        model: The model.
        spec: Its `FeatureSpec`.
        encoder: The `FeatureEncoder` of the spec.
        order_by: The formula by which candidates are ordered. Defaults to the first output.
    """
    formula = OrderFormula(None, spec) if order_by is None else order_by

    def function(**inputs):
        inputs = _check_axes(spec, "rank", inputs)
        outputs, real = _score(model, spec, encoder, inputs)
        return {**outputs, "order": order_of(scores_to_order(formula, outputs), real)}

    return function


def scores_to_order(formula: OrderFormula, outputs: dict):
    """Returns the value of a formula, float64, or the single output that it names.

    Args:
        formula: The formula by which candidates are ordered.
        outputs: Name of each output -> float32 tensor `(batch, candidates)`.
    """
    if formula.output is not None:
        return outputs[formula.output]
    return formula({name: tf.cast(values, tf.float64) for name, values in outputs.items()})


def order_of(scores, real):
    """Returns the positions of candidates, the best first, int32 `(batch, candidates)`.

    Args:
        scores: Float tensor `(batch, candidates)`. Scores that are not finite come last.
        real: Bool tensor `(batch, candidates)`, `True` where a candidate is real. Padding comes
            after all others.
    """
    # The score of a valid candidate can also be 0, or negative in models of users.
    sorted_by = tf.where(tf.math.is_finite(scores), scores, scores.dtype.min)
    sorted_by = tf.where(real, sorted_by, -np.inf)
    return tf.math.top_k(sorted_by, tf.shape(real)[1]).indices


def _score(model, spec: FeatureSpec, encoder: FeatureEncoder, inputs: dict):
    """Returns the outputs by name, and a mask of valid candidates, all `(batch, candidates)`."""
    x = model_inputs(spec, encoder, inputs)
    real = x[id_feature(spec.target).name] != PADDING_INDEX
    outputs = by_output(call_with_constants(model, x), spec.served_outputs)
    outputs = {name: tf.cast(values, tf.float32) for name, values in outputs.items()}
    return {name: tf.where(real, values, 0.0) for name, values in outputs.items()}, real
