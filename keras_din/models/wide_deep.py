"""Wide & Deep: what a linear model memorizes beside what an MLP generalizes."""

import keras

from keras_din.checks import positive_integer
from keras_din.embed import embed
from keras_din.fields import pooled_behaviors
from keras_din.head import ctr_head, ctr_model
from keras_din.linear import crossed, linear
from keras_din.ops import sum_of_fields


def build_wide_deep(
    spec,
    *,
    crosses=(),
    cross_buckets=100_000,
    pooling="mean",
    hidden_units=(200, 80),
    activation="relu",
    dropout=0.3,
    embeddings_initializer="uniform",
    name="wide_deep",
) -> keras.Model:
    """Builds `ctr = sigmoid(w_wide [x, phi(x)] + w_deep a + b)`, `a = MLP(context, v_A, v_U)`.

    `x` is the multi-hot vector of all inputs as in `build_lr`, `phi` its crosses: each
    combination of values that some inputs have together has a weight of its own.

    Args:
        spec: A `FeatureSpec`.
        crosses: Lists of two or more names of inputs, such as `("tab", "author_id")`. All must be
            of `Categorical` features, and their behaviors of one sequence. With the history, as
            in `("hist_item_id", "item_id")`, each behavior makes a combination with the
            candidate: the paper's `AND(installed_app, impression_app)`.
        cross_buckets: Number of weights of each cross. Combinations are hashed into them.
        pooling: `"mean"` or `"sum"` of the behaviors, and of their weights and crosses.
        hidden_units: Sizes of the hidden layers.
        activation: Activation of all hidden layers, as of `build_din`.
        dropout: Fraction of hidden units that training drops.
        embeddings_initializer: Initializer of the embedding tables. `w_wide` starts at 0.
        name: Name of the model.

    Returns:
        A functional `keras.Model`, in and out as of `build_din`.

    Raises:
        ValueError: When a cross is not as said here.

    Reference:
        [Cheng et al., 2016](https://arxiv.org/abs/1606.07792), Sec. 3, Eq. (3). The paper's wide
        part has crosses alone and is trained by FTRL with L1, its deep part by Adagrad; here one
        optimizer trains both. Its multi-hot vector is `pooling="sum"` but for values that occur
        twice.
    """
    buckets = positive_integer("cross_buckets", cross_buckets)
    x = embed(spec, embeddings_initializer)
    of_row, of_candidate = crossed(spec, x, crosses, buckets, pooling)
    wide = sum_of_fields(of_row, [linear(spec, x, pooling), *of_candidate])
    parts = [*x.context, x.target, *pooled_behaviors(x, pooling)]
    ctr = ctr_head(parts, x.target_mask, hidden_units, activation, dropout, bias=wide)
    return ctr_model(x.inputs, ctr, name=name)
