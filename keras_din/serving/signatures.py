"""What a served model answers: functions of tensors, by the names of the spec."""

import tensorflow as tf

from keras_din.feature_spec import OOV_INDEX, PADDING_INDEX, Categorical, FeatureSpec, Sequence


def input_signature(spec: FeatureSpec) -> dict:
    """The tensors of `serving_default` by name: a row a candidate.

    Context and target `(batch,)`, behaviours `(batch, time)`; int64 indices of a `Categorical`,
    float32 values of a `Numeric`.
    """
    return {
        name: tf.TensorSpec(
            (None, None) if info.role == "behaviour" else (None,),
            tf.int64 if isinstance(info.feature, Categorical) else tf.float32,
            name,
        )
        for name, info in spec.inputs.items()
    }


def model_inputs(spec: FeatureSpec, raw: dict) -> dict:
    """What clients send as what the model takes.

    An index out of range becomes out-of-vocabulary (before it is narrowed to int32, which would
    make another row of it), and of a longer history the most recent behaviours stay.
    """
    inputs = {
        name: _indices(info.feature, raw[name])
        if isinstance(info.feature, Categorical)
        else raw[name]
        for name, info in spec.inputs.items()
    }
    for sequence in spec.sequences:
        first = next(f for f in sequence.of if isinstance(f, Categorical))
        keep = most_recent(inputs[sequence.input_name(first)], sequence)
        for feature in sequence.features:
            name = sequence.input_name(feature)
            inputs[name] = tf.where(keep, inputs[name], tf.zeros_like(inputs[name]))
    return inputs


def _indices(feature: Categorical, values):
    known = (values >= 0) & (values < feature.vocabulary_size)
    return tf.cast(tf.where(known, values, tf.constant(OOV_INDEX, values.dtype)), tf.int32)


def most_recent(indices, sequence: Sequence):
    """Which positions `(batch, time)` are among the last `max_length` real ones of their row."""
    real = tf.cast(indices != PADDING_INDEX, tf.int32)
    return tf.cumsum(real, axis=1, reverse=True) <= sequence.max_length


def serving_default(model, spec: FeatureSpec):
    """The function of the signature `serving_default`: dict -> `{"ctr": (batch,)}`."""

    def score(inputs):
        x = model_inputs(spec, inputs)
        for feature in spec.target:
            x[feature.name] = x[feature.name][:, tf.newaxis]
        return {"ctr": model(x, training=False)[:, 0]}

    return score
