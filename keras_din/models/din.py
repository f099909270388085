"""Deep Interest Network."""

import keras

from keras_din.embed import embed
from keras_din.head import ctr_head
from keras_din.layers import AttentionSequencePoolingLayer


def build_din(
    spec,
    *,
    attention_units=(80, 40),
    hidden_units=(200, 80),
    activation="dice",
    weight_normalization=True,
    dropout=0.0,
    embeddings_initializer="uniform",
    name="din",
) -> keras.Model:
    """Builds `ctr = f(context, v_A, v_U(A))`, `v_U(A) = sum_j w_j e_j`, `w = softmax a(e_j, v_A)`.

    What a user wants is read anew for each candidate `A`: his behaviours `e_j` are summed,
    weighted by their relevance to it.

    Args:
        spec: A `FeatureSpec`.
        attention_units: Sizes of the hidden layers of the activation unit `a`.
        hidden_units: Sizes of the hidden layers of `f`.
        activation: Activation of all hidden layers: `"dice"`, `"prelu"` or any that Keras knows.
        weight_normalization: Whether a softmax makes a user's weights sum to 1. The paper's
            model is without it: `w = a`.
        dropout: Fraction of the hidden units of `f` that training drops.
        embeddings_initializer: Initializer of the embedding tables.
        name: Name of the model.

    Returns:
        A functional `keras.Model`. In: a dict by the spec's input names, context `(batch,)`,
        target `(batch, candidates)`, behaviours `(batch, time)`. Out: float32 probabilities
        `(batch, candidates)`, 0 for a padding candidate.

    Reference:
        [Zhou et al., 2018](https://arxiv.org/abs/1706.06978), Sec. 4.3.
    """
    x = embed(spec, embeddings_initializer)
    interests = [
        AttentionSequencePoolingLayer(
            attention_units, activation, weight_normalization, name=f"interest_{b.name}"
        )(b.query, b.keys, keys_mask=b.mask, query_mask=x.target_mask)
        for b in x.behaviours
    ]
    parts = [*x.context, x.target, *interests]
    ctr = ctr_head(parts, x.target_mask, hidden_units, activation, dropout)
    return keras.Model(x.inputs, ctr, name=name)
