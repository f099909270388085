"""Deep & Cross Network, version 2."""

from collections.abc import Callable, Sequence

import keras

from keras_din.checks import layer_sizes, one_of
from keras_din.embed import embed
from keras_din.features import FeatureSpec
from keras_din.fields import pooled_behaviors
from keras_din.head import ctr_model, join, label_heads
from keras_din.layers import MLP, CrossNetwork
from keras_din.layers.cross_network import checked_ranks


def build_dcn(
    spec: FeatureSpec,
    *,
    cross_ranks: Sequence[int | None] = (None, None, None),
    num_experts: int = 1,
    structure: str = "stacked",
    pooling: str = "mean",
    hidden_units: Sequence[int] = (200, 80),
    activation: str | Callable | Sequence[str | Callable] = "relu",
    dropout: float = 0.3,
    embeddings_initializer: str | dict | keras.initializers.Initializer = "uniform",
    name: str = "dcn",
) -> keras.Model:
    """Builds `ctr = f(x_L)`, `x_{l+1} = x_0 * (W_l x_l + b_l) + x_l`, `x_0 = [context, v_A, v_U]`.

    `v_U` are the pooled behaviors. With `"stacked"`, the MLP is on top of the cross layers. With
    `"parallel"`, it is beside them: `ctr = sigmoid(w [x_L, MLP(x_0)] + b)`.

    Args:
        spec: A `FeatureSpec`.
        cross_ranks: For each cross layer the rank of its `W`: `None` for a full matrix, an
            integer for `W = U V^T`. There are as many layers as entries.
        num_experts: Number of low-rank matrices of each layer, which are weighted by a gate. More
            than 1 requires integer ranks.
        structure: `"stacked"` or `"parallel"`.
        pooling: Pooling of the behaviors, `"mean"` or `"sum"`.
        hidden_units: Sizes of the hidden layers of the MLP.
        activation: Activation of all hidden layers, see `build_din`.
        dropout: Fraction of hidden units that training drops.
        embeddings_initializer: Initializer of the embedding tables.
        name: Name of the model.

    Returns:
        A functional `keras.Model`. Inputs and output are those of `build_din`.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    ```python
    item = kd.Categorical("item_id", 100, dim=4)
    spec = kd.FeatureSpec(target=[item], sequences=[kd.Sequence("hist", of=[item])])
    model = kd.build_dcn(spec, cross_ranks=(None, 2), hidden_units=(8,))
    ctr = model({"item_id": np.array([[2, 3]]), "hist_item_id": np.array([[4, 5, 0]])})  # (1, 2)
    ```

    Reference:
        [Wang et al., 2021](https://arxiv.org/abs/2008.13535), Sec. 3. See `CrossNetwork` for the
        layers and for the differences to other libraries.
    """
    cross_ranks = checked_ranks("cross_ranks", cross_ranks, num_experts)
    hidden_units = layer_sizes("hidden_units", hidden_units)
    structure = one_of("structure", structure, ("stacked", "parallel"))
    x = embed(spec, embeddings_initializer)
    x_0 = join([*x.context, x.target, *pooled_behaviors(x, pooling)])
    x_l = CrossNetwork(cross_ranks, num_experts, name="cross")(x_0)
    if structure == "stacked":
        ctr = label_heads(
            spec, [x_l], x.target_mask, hidden_units, activation, dropout, positions=x.positions
        )
    else:
        deep = MLP(hidden_units, activation, dropout, name="deep")(x_0, mask=x.target_mask)
        ctr = label_heads(spec, [x_l, deep], x.target_mask, hidden_units=(), positions=x.positions)
    return ctr_model(x.inputs, ctr, name=name)
