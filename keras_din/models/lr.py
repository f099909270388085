"""Logistic regression on one-hot values, without embeddings and interactions."""

import keras

from keras_din.embed import embed
from keras_din.features import FeatureSpec
from keras_din.head import ctr_model, label_outputs, only_label
from keras_din.layers import Bias
from keras_din.linear import linear


def build_lr(
    spec: FeatureSpec,
    *,
    pooling: str = "mean",
    embeddings_initializer: str | dict | keras.initializers.Initializer = "zeros",
    name: str = "lr",
) -> keras.Model:
    """Builds `ctr = sigmoid(w x + b)`, where `x` is the multi-hot vector of all inputs.

    Each input has its own weights: the weight of an item in the history differs from its weight as
    candidate. A `Numeric` has one weight. There is no interaction between history and candidate, so
    the order of two candidates is the same for all users. See also `build_popularity`, which reads
    only the candidate's item and is counted, not trained.

    Args:
        spec: A `FeatureSpec`.
        pooling: Pooling of the weights of a history: `"sum"`, as in the equation, or `"mean"`,
            where the values of a history share a total of 1 in `x`.
        embeddings_initializer: Initializer of the weights.
        name: Name of the model.

    Returns:
        A functional `keras.Model`. Inputs and output are those of `build_din`.

    Example:

    ```python
    item = kd.Categorical("item_id", 100, dim=4)
    spec = kd.FeatureSpec(target=[item], sequences=[kd.Sequence("hist", of=[item])])
    model = kd.build_lr(spec)
    ctr = model({"item_id": np.array([[2, 3]]), "hist_item_id": np.array([[4, 5, 0]])})  # (1, 2)
    ```

    Reference:
        [Richardson et al., 2007](https://doi.org/10.1145/1242572.1242643), Sec. 4, for clicks.
    """
    x = embed(spec)
    logit = Bias(dtype="float32", name="bias")(linear(spec, x, pooling, embeddings_initializer))
    logits = {only_label(spec).name: logit}
    return ctr_model(x.inputs, label_outputs(spec, logits, x.target_mask, x.positions), name=name)
