"""Deep Interest Network."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_din.checks import layer_sizes, one_of
from keras_din.embed import embed
from keras_din.features import FeatureSpec
from keras_din.head import bias_of_item, ctr_model, join, label_heads
from keras_din.layers import Affine, AttentionSequencePoolingLayer

# The network of the authors' code is `build_din(spec, **AUTHORS)`.
AUTHORS: dict[str, Any] = {
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
    spec: FeatureSpec,
    *,
    attention_units: Sequence[int] = (80, 40),
    hidden_units: Sequence[int] = (200, 80),
    activation: str | Callable | Sequence[str | Callable] = "relu",
    weight_normalization: bool | str = True,
    interaction: str = "concat",
    item_bias: bool = False,
    dropout: float = 0.3,
    embeddings_initializer: str | dict | keras.initializers.Initializer = "uniform",
    name: str = "din",
) -> keras.Model:
    """Builds `ctr = f(context, v_A, v_U(A))`, `v_U(A) = sum_j w_j e_j`, `w = softmax a(e_j, v_A)`.

    A user's interest is computed separately for each candidate `A`: their behaviors `e_j` are
    summed, weighted by their relevance to `A`.

    In the paper `weight_normalization=False`, `interaction="concat"`, `activation` is `"prelu"` or
    `"dice"`, `hidden_units=(200, 80)`, and there is no item bias and no dropout. The defaults here
    were chosen by measurement, see `benchmarks/RESULTS.md`. ReLU takes two thirds of the time of
    Dice. The code of the paper's authors is a different network, which is
    `build_din(spec, **keras_din.models.din.AUTHORS)` with `dim=64` for item and category.

    Args:
        spec: A `FeatureSpec`.
        attention_units: Sizes of the hidden layers of the activation unit `a`.
        hidden_units: Sizes of the hidden layers of `f`.
        activation: Activation of all hidden layers: `"dice"`, `"prelu"`, any Keras activation, or a
            list of steps such as `["batch_normalization", "relu"]`. Batch statistics ignore
            padding.
        weight_normalization: `True` for a softmax over a user's weights; `"scaled"` for the
            softmax of `a / sqrt(dim)`, where `dim` is the width of a behavior; `False` for none.
        interaction: Which inputs `f` gets from an interest `u` and its query `i`, the features of
            `v_A` that the behaviors have too. `"concat"`: `[i, u]`. `"product"`:
            `[i, u, i * u]`, with only the first units of `u` in the product if side features make
            `u` wider. `"affine_product"`: `g * [i, u, i * u] + b` with
            `u = W (h * v_U + c) + d`, as wide as `i`. The scales and shifts replace the batch
            normalizations of the authors' code, which do not use batch statistics.
        item_bias: Whether to add a learned number per item to the logit. The item is the first
            `Categorical` of the target.
        dropout: Fraction of the hidden units of `f` that training drops.
        embeddings_initializer: Initializer of the embedding tables.
        name: Name of the model.

    Returns:
        A functional `keras.Model`. Its input is a dict with the spec's input names: context
        `(batch,)`, target `(batch, candidates)`, behaviors `(batch, time)`, padded with 0 or
        ragged. Its output are float32 probabilities `(batch, candidates)`, 0 for a padding
        candidate.

    Example:

    ```python
    item = kd.Categorical("item_id", 100, dim=4)
    spec = kd.FeatureSpec(target=[item], sequences=[kd.Sequence("hist", of=[item])])
    model = kd.build_din(spec, attention_units=(8,), hidden_units=(8,))
    ctr = model({"item_id": np.array([[2, 3]]), "hist_item_id": np.array([[4, 5, 0]])})  # (1, 2)
    ```

    Reference:
        [Zhou et al., 2018](https://arxiv.org/abs/1706.06978), Sec. 4.3, and
        [the authors' code](https://github.com/zhougr1993/DeepInterestNetwork), `din/model.py`.
        `AUTHORS` differs from that code in two points. The code has the order `[u, i, u * i]`, and
        its embedding of an empty history is that of item 0.
    """
    one_of("interaction", interaction, ("concat", "product", "affine_product"))
    one_of("item_bias", item_bias, (True, False))
    attention_units = layer_sizes("attention_units", attention_units, at_least_one=True)
    has_affine = interaction == "affine_product"
    x = embed(spec, embeddings_initializer)
    if not x.behaviors:  # Checks the arguments.
        AttentionSequencePoolingLayer(attention_units, activation, weight_normalization)
    interests = [
        AttentionSequencePoolingLayer(
            attention_units, activation, weight_normalization, name=f"interest_{b.name}"
        )(b.query, b.keys, keys_mask=b.mask, query_mask=x.target_mask)
        for b in x.behaviors
    ]
    if has_affine:
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
    if has_affine:
        parts = [scale_and_shift(join(parts), "affine")]
    bias = bias_of_item(spec, x.values) if item_bias else None
    ctr = label_heads(
        spec, parts, x.target_mask, hidden_units, activation, dropout, bias, positions=x.positions
    )
    return ctr_model(x.inputs, ctr, name=name)


def scale_and_shift(x, name):
    """Computes `g * x / sqrt(1.001) + b`: batch normalization with fixed mean 0 and variance 1."""
    return Affine(name=name)(x / math.sqrt(1.001))
