"""The logit of a product of two probabilities, for labels that are given another label."""

import keras

from keras_din.ops import product_logits


@keras.saving.register_keras_serializable(package="keras_din")
class ProductLogits(keras.layers.Layer):
    """Computes the logit of `p(buy) = p(click) p(buy | click)` from the logits of both factors.

    `output = -log(exp(-a) + exp(-b) + exp(-a - b))` is the logit of `sigmoid(a) sigmoid(b)`. So the
    loss of the product is computed from logits, and is exact for any probabilities.

    Args:
        factor: Name of the second probability, such as `"cvr_given_ctr"`, with which an exported
            version returns it.

    Call arguments:
        given: Float tensor of any shape, the logits `a`.
        logits: Float tensor of the same shape, the logits `b`.

    Returns:
        Float tensor of the same shape.

    Example:

    ```python
    layer = kd.layers.ProductLogits("cvr_given_ctr")
    logits = layer(np.zeros((2, 3), "float32"), np.zeros((2, 3), "float32"))  # (2, 3), log(1 / 3)
    ```

    Reference:
        [Ma et al., 2018](https://arxiv.org/abs/1804.07931), Eqs. (2) and (3): the entire space
        multi-task model (ESMM). Its loss is the sum of the cross-entropies of click and of the
        product, over all impressions.
    """

    def __init__(self, factor: str, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, given, logits):
        return product_logits(given, logits)

    def compute_output_shape(self, given_shape, logits_shape):
        return given_shape

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}
