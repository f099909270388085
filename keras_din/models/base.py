"""Embedding & MLP, the base model that DIN is compared with."""

import keras

from keras_din.embed import embed
from keras_din.fields import pooled_behaviors
from keras_din.head import ctr_head, ctr_model


def build_base(
    spec,
    *,
    pooling="mean",
    hidden_units=(200, 80),
    activation="relu",
    dropout=0.3,
    embeddings_initializer="uniform",
    name="base",
) -> keras.Model:
    """Builds `ctr = f(context, v_A, v_U)`, `v_U = pool_j e_j`: one vector a user.

    Args:
        spec: A `FeatureSpec`.
        pooling: `"mean"` or `"sum"` of the behaviors.
        hidden_units: Sizes of the hidden layers of `f`.
        activation: Activation of all hidden layers, as of `build_din`.
        dropout: Fraction of hidden units that training drops.
        embeddings_initializer: Initializer of the embedding tables.
        name: Name of the model.

    Returns:
        A functional `keras.Model`, in and out as of `build_din`.

    Reference:
        [Zhou et al., 2018](https://arxiv.org/abs/1706.06978), Sec. 4.2, which sums; the authors'
        code averages.
    """
    x = embed(spec, embeddings_initializer)
    parts = [*x.context, x.target, *pooled_behaviors(x, pooling)]
    ctr = ctr_head(parts, x.target_mask, hidden_units, activation, dropout)
    return ctr_model(x.inputs, ctr, name=name)
