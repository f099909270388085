"""Deep Interest Network."""

import math

import keras

from keras_din.checks import layer_sizes, one_of
from keras_din.embed import embed
from keras_din.head import bias_of_item, ctr_head, ctr_model, join
from keras_din.layers import Affine, AttentionSequencePoolingLayer

# The network of the authors' code: `build_din(spec, **AUTHORS)`.
AUTHORS = {
    "attention_units": (80, 40),
    "hidden_units": (80, 40),
    "activation": "sigmoid",
    "weight_normalization": "scaled",
    "interaction": "affine_product",
    "item_bias": True,
    "dropout": 0.0,
    "embeddings_initializer": "glorot_uniform",
}


def build_din(
    spec,
    *,
    attention_units=(80, 40),
    hidden_units=(200, 80),
    activation="relu",
    weight_normalization=True,
    interaction="concat",
    item_bias=False,
    dropout=0.3,
    embeddings_initializer="uniform",
    name="din",
) -> keras.Model:
    """Builds `ctr = f(context, v_A, v_U(A))`, `v_U(A) = sum_j w_j e_j`, `w = softmax a(e_j, v_A)`.

    What a user wants is read anew for each candidate `A`: his behaviors `e_j` are summed,
    weighted by their relevance to it.

    The paper has `weight_normalization=False`, `interaction="concat"`, no item bias and no
    dropout, with `"prelu"` or `"dice"` and `hidden_units=(200, 80)`. The defaults were
    chosen by measurement, see `benchmarks/RESULTS.md`; ReLU takes two thirds of the time of Dice.
    The authors' code of the paper is another network:
    `build_din(spec, **keras_din.models.din.AUTHORS)`, where item and category have 64 units each.

    Args:
        spec: A `FeatureSpec`.
        attention_units: Sizes of the hidden layers of the activation unit `a`.
        hidden_units: Sizes of the hidden layers of `f`.
        activation: Activation of all hidden layers: `"dice"`, `"prelu"`, any that Keras knows, or a
            list of steps such as `["batch_normalization", "relu"]`. Statistics of a batch are
            those of what is real.
        weight_normalization: Whether a softmax makes a user's weights sum to 1; `"scaled"` for
            one of `a / sqrt(dim)`, with the width of a behavior.
        interaction: How an interest `u` meets its query `i`, the part of `v_A` that the behaviors
            are of. `"concat"`: `f` reads `[i, u]`. `"product"`: it reads `[i, u, i * u]`, with the
            first units of `u` where side features make it wider. `"affine_product"`: it reads
            `g * [i, u, i * u] + b`, `u = W (h * v_U + c) + d` as wide as `i`; the code's batch
            normalizations, which use no statistics of a batch.
        item_bias: Whether a number of the item's own is added to the logit. The item is the
            first `Categorical` of the target.
        dropout: Fraction of the hidden units of `f` that training drops.
        embeddings_initializer: Initializer of the embedding tables.
        name: Name of the model.

    Returns:
        A functional `keras.Model`. In: a dict by the spec's input names, context `(batch,)`,
        target `(batch, candidates)`, behaviors `(batch, time)`, padded with 0 or ragged. Out:
        float32 probabilities `(batch, candidates)`, 0 for a padding candidate.

    Reference:
        [Zhou et al., 2018](https://arxiv.org/abs/1706.06978), Sec. 4.3, and
        [the authors' code](https://github.com/zhougr1993/DeepInterestNetwork), `din/model.py`.
        `AUTHORS` differs from it in the order `[i, u, i * u]`, there `[u, i, u * i]`, and in an
        empty history, which there has the embedding of item 0.
    """
    one_of("interaction", interaction, ("concat", "product", "affine_product"))
    one_of("item_bias", item_bias, (True, False))
    attention_units = layer_sizes("attention_units", attention_units, at_least_one=True)
    affine = interaction == "affine_product"
    x = embed(spec, embeddings_initializer)
    if not x.behaviors:  # The arguments are checked all the same.
        AttentionSequencePoolingLayer(attention_units, activation, weight_normalization)
    interests = [
        AttentionSequencePoolingLayer(
            attention_units, activation, weight_normalization, name=f"interest_{b.name}"
        )(b.query, b.keys, keys_mask=b.mask, query_mask=x.target_mask)
        for b in x.behaviors
    ]
    if affine:
        interests = [
            keras.layers.Dense(b.query.shape[-1], name=f"dense_{b.name}")(
                scale_and_shift(u, f"affine_{b.name}")
            )
            for u, b in zip(interests, x.behaviors, strict=True)
        ]
    parts = [*x.context, x.target, *interests]
    if interaction != "concat":
        parts += [
            b.query * u[..., : b.query.shape[-1]]
            for u, b in zip(interests, x.behaviors, strict=True)
        ]
    if affine:
        parts = [scale_and_shift(join(parts), "affine")]
    bias = bias_of_item(spec, x.values) if item_bias else None
    ctr = ctr_head(parts, x.target_mask, hidden_units, activation, dropout, bias)
    return ctr_model(x.inputs, ctr, name=name)


def scale_and_shift(x, name):
    """`g * x / sqrt(1.001) + b`: a batch normalization of mean 0 and variance 1 for ever."""
    return Affine(name=name)(x / math.sqrt(1.001))
