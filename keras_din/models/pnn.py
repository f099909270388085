"""Product-based Neural Network."""

import keras

from keras_din.checks import one_of
from keras_din.embed import embed
from keras_din.fields import fields_of_one_width
from keras_din.head import ctr_head, ctr_model
from keras_din.ops import inner_products, outer_product


def build_pnn(
    spec,
    *,
    product="inner",
    pooling="mean",
    hidden_units=(200, 80),
    activation="relu",
    dropout=0.3,
    embeddings_initializer="uniform",
    name="pnn",
) -> keras.Model:
    """Builds `ctr = f(z, p)`: an MLP that sees the products `p` of its fields `z = [f_1, ...]`.

    `"inner"` are `p_ij = <f_i, f_j>`, `i < j`; `"outer"` is `p = s s^T`, `s = sum_i f_i`, the sum
    of the outer products of all pairs. What concerns context and history alone is computed once
    for all candidates.

    Args:
        spec: A `FeatureSpec`. All features but a `Numeric` have one `dim`.
        product: `"inner"`, `"outer"` or `"both"`.
        pooling: `"mean"` or `"sum"` of the behaviors. Each feature of theirs is a field.
        hidden_units: Sizes of the hidden layers of `f`.
        activation: Activation of all hidden layers, as of `build_din`.
        dropout: Fraction of hidden units that training drops.
        embeddings_initializer: Initializer of the embedding tables.
        name: Name of the model.

    Returns:
        A functional `keras.Model`, in and out as of `build_din`.

    Raises:
        ValueError: When an argument is not as said here, or embeddings differ in width.

    Reference:
        [Qu et al., 2016](https://arxiv.org/abs/1611.00144), Sec. III, whose `l_z + l_p + b` is
        one dense layer on `[z, p]`. The paper takes the inner products of all `i` and `j` and
        factors their weights; the authors' code takes `i < j` with a weight each, and so do we.
    """
    product = one_of("product", product, ("inner", "outer", "both"))
    x = embed(spec, embeddings_initializer)
    of_row, of_candidate = fields_of_one_width(spec, x, pooling)
    parts = [*of_row, *of_candidate]
    if product != "outer":
        parts += inner_products(of_row, of_candidate)
    if product != "inner":
        parts.append(outer_product(of_row, of_candidate))
    ctr = ctr_head(parts, x.target_mask, hidden_units, activation, dropout)
    return ctr_model(x.inputs, ctr, name=name)
