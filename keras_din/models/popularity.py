"""Item bias alone: the baseline that every other model must beat."""

import keras
from keras import ops

from keras_din.embed import build_inputs, real
from keras_din.feature_spec import Categorical
from keras_din.head import probability
from keras_din.layers import Embedding


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
    item = next(feature for feature in spec.target if isinstance(feature, Categorical))
    table = Embedding(
        item.vocabulary_size, 1, embeddings_initializer, feature=item.name, name="item_bias"
    )
    logits = ops.cast(table(inputs[item.name]), "float32")
    mask = real(spec.target, [inputs[feature.name] for feature in spec.target])
    return keras.Model(inputs, probability(logits, mask), name=name)
