"""Embedding & MLP, the baseline of DIN."""

from collections.abc import Callable, Sequence

import keras

from keras_din.embed import embed
from keras_din.features import FeatureSpec
from keras_din.fields import pooled_behaviors
from keras_din.head import ctr_model, label_heads


def build_base(
    spec: FeatureSpec,
    *,
    pooling: str = "mean",
    hidden_units: Sequence[int] = (200, 80),
    activation: str | Callable | Sequence[str | Callable] = "relu",
    dropout: float = 0.3,
    embeddings_initializer: str | dict | keras.initializers.Initializer = "uniform",
    name: str = "base",
) -> keras.Model:
    """Builds `ctr = f(context, v_A, v_U)`, `v_U = pool_j e_j`: one interest vector per user.

    Args:
        spec: A `FeatureSpec`.
        pooling: Pooling of the behaviors, `"mean"` or `"sum"`.
        hidden_units: Sizes of the hidden layers of `f`.
        activation: Activation of all hidden layers, see `build_din`.
        dropout: Fraction of hidden units that training drops.
        embeddings_initializer: Initializer of the embedding tables.
        name: Name of the model.

    Returns:
        A functional `keras.Model`. Inputs and output are those of `build_din`.

    Example:

    ```python
    item = kd.Categorical("item_id", 100, dim=4)
    spec = kd.FeatureSpec(target=[item], sequences=[kd.Sequence("hist", of=[item])])
    model = kd.build_base(spec, hidden_units=(8,))
    ctr = model({"item_id": np.array([[2, 3]]), "hist_item_id": np.array([[4, 5, 0]])})  # (1, 2)
    ```

    Reference:
        [Zhou et al., 2018](https://arxiv.org/abs/1706.06978), Sec. 4.2. The paper sums behaviors,
        the authors' code averages them.
    """
    x = embed(spec, embeddings_initializer)
    parts = [*x.context, x.target, *pooled_behaviors(x, pooling)]
    ctr = label_heads(
        spec, parts, x.target_mask, hidden_units, activation, dropout, positions=x.positions
    )
    return ctr_model(x.inputs, ctr, name=name)
