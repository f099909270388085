"""Weights of the losses of several labels, learned as homoscedastic uncertainty."""

import keras
from keras import ops

from keras_din.replicas import number_of_replicas


@keras.saving.register_keras_serializable(package="keras_din")
class UncertaintyWeights(keras.layers.Layer):
    """Sums the losses of several outputs with learned weights.

    `output = sum_k c_k exp(-s_k) L_k + s_k / 2`, where `s_k = log sigma_k^2` is learned, initially
    0. `c_k` is 1/2 for squared errors, and 1 for all other losses, such as cross-entropies. At the
    minimum, the weight of a loss is `c_k exp(-s_k) = 1 / (2 L_k)`: an output that is hard to
    predict weighs less. Losses must not be negative, or their weights would grow without a bound:
    `CTRModel` passes the loss `Poisson` minus its lowest value, that of the labels as outputs.

    `CTRModel(inputs, outputs, label_weights="uncertainty")` has this layer and uses it in `fit`.

    Args:
        outputs: Names of the outputs.

    Call arguments:
        losses: Name of each output -> its loss, a scalar.
        squared: Names of the outputs whose loss is a squared error.
        present: Name of an output -> whether the batch has labels of it, a bool scalar. An output
            without labels adds nothing, so its weight does not change. Defaults to `True` for all.

    Returns:
        Float32 scalar.

    Example:

    ```python
    layer = kd.layers.UncertaintyWeights(["ctr", "cvr"])
    loss = layer({"ctr": np.float32(0.5), "cvr": np.float32(0.1)})  # 0.6
    layer.current  # {"ctr": 1.0, "cvr": 1.0}
    ```

    Reference:
        [Kendall, Gal and Cipolla, 2018](https://arxiv.org/abs/1705.07115), Eq. (10), with
        `s = log sigma^2` as the learned number, as the paper advises. Code that weighs all losses
        by `exp(-s) / 2` treats classes as squared errors.
    """

    def __init__(self, outputs, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.outputs = list(outputs)
        self.log_variances = self.add_weight(
            name="log_variances", shape=(len(self.outputs),), initializer="zeros"
        )
        self.built = True

    def call(self, losses, squared=(), present=None):
        terms = []
        for k, output in enumerate(self.outputs):
            s = self.log_variances[k]
            weight = (0.5 if output in squared else 1.0) * ops.exp(-s)
            # Keras sums the losses of replicas, each a share of the loss.
            term = weight * ops.cast(losses[output], "float32") + s / 2 / number_of_replicas()
            if output in (present or {}):
                term = ops.where(present[output], term, ops.zeros_like(term))
            terms.append(term)
        return sum(terms[1:], terms[0])

    @property
    def current(self) -> dict:
        """Name of each output -> `exp(-s_k)`."""
        values = ops.convert_to_numpy(ops.exp(-self.log_variances))
        return dict(zip(self.outputs, values.tolist(), strict=True))

    def compute_output_shape(self, losses_shape):
        return ()

    def get_config(self):
        config = super().get_config()
        del config["dtype"]  # Always float32.
        return config | {"outputs": self.outputs}
