"""Logistic regression on the values themselves: no embedding, no interaction."""

import keras

from keras_din.embed import embed
from keras_din.head import ctr_model, probability
from keras_din.layers import Bias
from keras_din.linear import linear


def build_lr(spec, *, pooling="mean", embeddings_initializer="zeros", name="lr") -> keras.Model:
    """Builds `ctr = sigmoid(w x + b)`, `x` the multi-hot vector of all inputs.

    Each input has weights of its own: an item weighs otherwise in the history than as candidate.
    A `Numeric` has one weight. Nothing tells how a history and a candidate go together, so of
    two candidates the better is the better for every user. `build_popularity` reads
    the candidate's item alone, and is counted.

    Args:
        spec: A `FeatureSpec`.
        pooling: `"sum"` of the weights of a history, which is the equation, or `"mean"`, with
            which `x` counts a history's values as parts of 1.
        embeddings_initializer: Initializer of the weights.
        name: Name of the model.

    Returns:
        A functional `keras.Model`, in and out as of `build_din`.

    Reference:
        [Richardson et al., 2007](https://doi.org/10.1145/1242572.1242643), Sec. 4, for clicks.
    """
    x = embed(spec)
    logit = Bias(dtype="float32", name="bias")(linear(spec, x, pooling, embeddings_initializer))
    return ctr_model(x.inputs, probability(logit, x.target_mask), name=name)
