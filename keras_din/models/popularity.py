"""Item bias alone: the baseline that every other model must beat."""

import keras

from keras_din.embed import build_inputs, real
from keras_din.head import bias_of_item, ctr_model, probability
from keras_din.layers import Padded


def build_popularity(spec, *, embeddings_initializer="zeros", name="popularity") -> keras.Model:
    """Builds `ctr = sigmoid(b_A)`: one number a candidate, nothing of the user.

    Where negatives are drawn uniformly popularity alone is a strong signal; a result without
    this line beside it says little.

    Args:
        spec: A `FeatureSpec`. The first `Categorical` of its target is the item.
        embeddings_initializer: Initializer of the biases.
        name: Name of the model.

    Returns:
        A functional `keras.Model`, in and out as of `build_din`.
    """
    inputs = build_inputs(spec)
    values = Padded(name="padded")(inputs)
    logits = bias_of_item(spec, values, embeddings_initializer)
    mask = real(spec.target, [values[feature.name] for feature in spec.target])
    return ctr_model(inputs, probability(logits, mask), name=name)
