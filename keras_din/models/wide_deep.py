"""Wide & Deep: a linear model and an MLP, trained jointly."""

from collections.abc import Callable, Sequence

import keras

from keras_din.checks import positive_integer
from keras_din.embed import embed
from keras_din.features import FeatureSpec
from keras_din.fields import pooled_behaviors
from keras_din.head import ctr_model, label_heads
from keras_din.linear import crossed, linear
from keras_din.ops import sum_of_fields


def build_wide_deep(
    spec: FeatureSpec,
    *,
    crosses: Sequence[Sequence[str]] = (),
    cross_buckets: int = 100_000,
    pooling: str = "mean",
    hidden_units: Sequence[int] = (200, 80),
    activation: str | Callable | Sequence[str | Callable] = "relu",
    dropout: float = 0.3,
    embeddings_initializer: str | dict | keras.initializers.Initializer = "uniform",
    name: str = "wide_deep",
) -> keras.Model:
    """Builds `ctr = sigmoid(w_wide [x, phi(x)] + w_deep a + b)`, `a = MLP(context, v_A, v_U)`.

    `x` is the multi-hot vector of all inputs, as in `build_lr`. `phi` are its crosses: each
    combination of values of some inputs has its own weight.

    Args:
        spec: A `FeatureSpec`.
        crosses: Lists of two or more names of inputs, such as `("tab", "author_id")`. The inputs
            must be `Categorical`, and behaviors in a cross must be of the same sequence. With a
            history, as in `("hist_item_id", "item_id")`, each behavior forms a combination with
            the candidate: the `AND(installed_app, impression_app)` of the paper.
        cross_buckets: Number of weights of each cross. Combinations are hashed to weights.
        pooling: Pooling of the behaviors, their weights and their crosses, `"mean"` or `"sum"`.
        hidden_units: Sizes of the hidden layers.
        activation: Activation of all hidden layers, see `build_din`.
        dropout: Fraction of hidden units that training drops.
        embeddings_initializer: Initializer of the embedding tables. `w_wide` is initially 0.
        name: Name of the model.

    Returns:
        A functional `keras.Model`. Inputs and output are those of `build_din`.

    Raises:
        ValueError: If a cross is invalid.

    Example:

    ```python
    item = kd.Categorical("item_id", 100, dim=4)
    spec = kd.FeatureSpec(target=[item], sequences=[kd.Sequence("hist", of=[item])])
    model = kd.build_wide_deep(spec, crosses=[("hist_item_id", "item_id")], hidden_units=(8,))
    ctr = model({"item_id": np.array([[2, 3]]), "hist_item_id": np.array([[4, 5, 0]])})  # (1, 2)
    ```

    Reference:
        [Cheng et al., 2016](https://arxiv.org/abs/1606.07792), Sec. 3, Eq. (3). The wide part of
        the paper has only crosses and is trained by FTRL with L1, its deep part by Adagrad. Here
        one optimizer trains both. The multi-hot vector of the paper is `pooling="sum"`, except for
        values that occur twice.
    """
    buckets = positive_integer("cross_buckets", cross_buckets)
    x = embed(spec, embeddings_initializer)
    row_weights, candidate_weights = crossed(spec, x, crosses, buckets, pooling)
    wide = sum_of_fields(row_weights, [linear(spec, x, pooling), *candidate_weights])
    parts = [*x.context, x.target, *pooled_behaviors(x, pooling)]
    ctr = label_heads(
        spec,
        parts,
        x.target_mask,
        hidden_units,
        activation,
        dropout,
        bias=wide,
        positions=x.positions,
    )
    return ctr_model(x.inputs, ctr, name=name)
