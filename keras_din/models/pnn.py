"""Product-based Neural Network."""

from collections.abc import Callable, Sequence

import keras

from keras_din.checks import one_of
from keras_din.embed import embed
from keras_din.features import FeatureSpec
from keras_din.fields import fields_of_one_width
from keras_din.head import ctr_model, label_heads
from keras_din.ops import inner_products, outer_product


def build_pnn(
    spec: FeatureSpec,
    *,
    product: str = "inner",
    pooling: str = "mean",
    hidden_units: Sequence[int] = (200, 80),
    activation: str | Callable | Sequence[str | Callable] = "relu",
    dropout: float = 0.3,
    embeddings_initializer: str | dict | keras.initializers.Initializer = "uniform",
    name: str = "pnn",
) -> keras.Model:
    """Builds `ctr = f(z, p)`: an MLP on fields `z = [f_1, ...]` and their products `p`.

    `"inner"` are `p_ij = <f_i, f_j>`, `i < j`. `"outer"` is `p = s s^T`, `s = sum_i f_i`, the sum
    of the outer products of all pairs. Products of only context and history are computed once for
    all candidates.

    Args:
        spec: A `FeatureSpec`. All features except `Numeric` ones must have the same `dim`.
        product: `"inner"`, `"outer"` or `"both"`.
        pooling: Pooling of the behaviors, `"mean"` or `"sum"`. Each feature of the behaviors is a
            field.
        hidden_units: Sizes of the hidden layers of `f`.
        activation: Activation of all hidden layers, see `build_din`.
        dropout: Fraction of hidden units that training drops.
        embeddings_initializer: Initializer of the embedding tables.
        name: Name of the model.

    Returns:
        A functional `keras.Model`. Inputs and output are those of `build_din`.

    Raises:
        ValueError: If an argument is invalid, or embeddings differ in width.

    Example:

    ```python
    item = kd.Categorical("item_id", 100, dim=4)
    spec = kd.FeatureSpec(target=[item], sequences=[kd.Sequence("hist", of=[item])])
    model = kd.build_pnn(spec, hidden_units=(8,))
    ctr = model({"item_id": np.array([[2, 3]]), "hist_item_id": np.array([[4, 5, 0]])})  # (1, 2)
    ```

    Reference:
        [Qu et al., 2016](https://arxiv.org/abs/1611.00144), Sec. III, whose `l_z + l_p + b` is
        one dense layer on `[z, p]`. The paper uses the inner products of all `i` and `j` and
        factorizes their weights. The authors' code uses `i < j` with one weight each, as here.
    """
    product = one_of("product", product, ("inner", "outer", "both"))
    x = embed(spec, embeddings_initializer)
    row_fields, candidate_fields = fields_of_one_width(spec, x, pooling)
    parts = [*row_fields, *candidate_fields]
    if product != "outer":
        parts += inner_products(row_fields, candidate_fields)
    if product != "inner":
        parts.append(outer_product(row_fields, candidate_fields))
    ctr = label_heads(
        spec, parts, x.target_mask, hidden_units, activation, dropout, positions=x.positions
    )
    return ctr_model(x.inputs, ctr, name=name)
