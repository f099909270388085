"""DeepFM: a factorization machine and an MLP on the same embeddings."""

from collections.abc import Callable, Sequence

import keras

from keras_din.embed import embed
from keras_din.features import FeatureSpec
from keras_din.fields import fields_of_one_width
from keras_din.head import ctr_model, label_heads
from keras_din.linear import linear
from keras_din.ops import sum_of_inner_products


def build_deepfm(
    spec: FeatureSpec,
    *,
    pooling: str = "mean",
    hidden_units: Sequence[int] = (200, 80),
    activation: str | Callable | Sequence[str | Callable] = "relu",
    dropout: float = 0.3,
    embeddings_initializer: str | dict | keras.initializers.Initializer = "uniform",
    name: str = "deepfm",
) -> keras.Model:
    """Builds `ctr = sigmoid(y_FM + y_DNN)`, `y_FM = w x + sum_{i < j} <f_i, f_j>`.

    `w x` is linear in all values, as in `build_lr`. `f_i` are the fields: the embedding of each
    input, pooled if it belongs to a history. `y_DNN` is an MLP on the concatenated fields.

    Args:
        spec: A `FeatureSpec`. All features except `Numeric` ones must have the same `dim`.
        pooling: Pooling of the behaviors and of their weights in `w`, `"mean"` or `"sum"`. Each
            feature of the behaviors is a field.
        hidden_units: Sizes of the hidden layers.
        activation: Activation of all hidden layers, see `build_din`.
        dropout: Fraction of hidden units that training drops.
        embeddings_initializer: Initializer of the embedding tables. `w` is initially 0.
        name: Name of the model.

    Returns:
        A functional `keras.Model`. Inputs and output are those of `build_din`.

    Raises:
        ValueError: If embeddings differ in width.

    Example:

    ```python
    item = kd.Categorical("item_id", 100, dim=4)
    spec = kd.FeatureSpec(target=[item], sequences=[kd.Sequence("hist", of=[item])])
    model = kd.build_deepfm(spec, hidden_units=(8,))
    ctr = model({"item_id": np.array([[2, 3]]), "hist_item_id": np.array([[4, 5, 0]])})  # (1, 2)
    ```

    Reference:
        [Guo et al., 2017](https://arxiv.org/abs/1703.04247), Sec. 2.1, Eqs. (1) to (4). A
        factorization machine on a multi-hot history would also contain the pairs within the
        history. With one pooled field per feature, as here and in DeepCTR, it does not.
    """
    x = embed(spec, embeddings_initializer)
    row_fields, candidate_fields = fields_of_one_width(spec, x, pooling)
    y_fm = linear(spec, x, pooling) + sum_of_inner_products(row_fields, candidate_fields)
    parts = [*row_fields, *candidate_fields]
    ctr = label_heads(
        spec,
        parts,
        x.target_mask,
        hidden_units,
        activation,
        dropout,
        bias=y_fm,
        positions=x.positions,
    )
    return ctr_model(x.inputs, ctr, name=name)
