"""DeepFM: a factorization machine and an MLP on the same embeddings."""

import keras

from keras_din.embed import embed
from keras_din.fields import fields_of_one_width
from keras_din.head import ctr_head, ctr_model
from keras_din.linear import linear
from keras_din.ops import sum_of_inner_products


def build_deepfm(
    spec,
    *,
    pooling="mean",
    hidden_units=(200, 80),
    activation="relu",
    dropout=0.3,
    embeddings_initializer="uniform",
    name="deepfm",
) -> keras.Model:
    """Builds `ctr = sigmoid(y_FM + y_DNN)`, `y_FM = w x + sum_{i < j} <f_i, f_j>`.

    `w x` is linear in all values, as in `build_lr`; `f_i` are the fields: the embedding of each
    input, pooled where it is a history's; `y_DNN` is an MLP on the fields side by side.

    Args:
        spec: A `FeatureSpec`. All features but a `Numeric` have one `dim`.
        pooling: `"mean"` or `"sum"` of the behaviors and of their weights in `w`. Each feature
            of theirs is a field.
        hidden_units: Sizes of the hidden layers.
        activation: Activation of all hidden layers, as of `build_din`.
        dropout: Fraction of hidden units that training drops.
        embeddings_initializer: Initializer of the embedding tables. `w` starts at 0.
        name: Name of the model.

    Returns:
        A functional `keras.Model`, in and out as of `build_din`.

    Raises:
        ValueError: When embeddings differ in width.

    Reference:
        [Guo et al., 2017](https://arxiv.org/abs/1703.04247), Sec. 2.1, Eqs. (1) to (4). A
        factorization machine on a multi-hot history would have the pairs within the history too;
        with one pooled field a feature, as in DeepCTR, it has not.
    """
    x = embed(spec, embeddings_initializer)
    of_row, of_candidate = fields_of_one_width(spec, x, pooling)
    y_fm = linear(spec, x, pooling) + sum_of_inner_products(of_row, of_candidate)
    parts = [*of_row, *of_candidate]
    ctr = ctr_head(parts, x.target_mask, hidden_units, activation, dropout, bias=y_fm)
    return ctr_model(x.inputs, ctr, name=name)
