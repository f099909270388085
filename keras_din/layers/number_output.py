"""The output of a label that is a number."""

import keras
from keras import ops

from keras_din.checks import one_of
from keras_din.logits import attach_logits

_LARGEST_LOGIT = 80.0  # exp(80) is 5.5e34; float32 ends at 3.4e38, which is exp(88.7).


@keras.saving.register_keras_serializable(package="keras_din")
class NumberOutput(keras.layers.Layer):
    """Computes an expected number from logits `z`: `exp(z)`, or `z` itself.

    Args:
        link: `"log"` for `output = exp(min(z, 80))`, for numbers that are not negative. The logits
            are kept for the loss, which is computed from them. `"identity"` for `output = z`.

    Call arguments:
        logits: Float tensor of any shape.

    Returns:
        Float tensor shaped like `logits`.

    Raises:
        ValueError: If `link` is not one of the two.

    Example:

    ```python
    layer = kd.layers.NumberOutput("log")
    seconds = layer(np.zeros((2, 3), "float32"))  # (2, 3), all 1
    ```
    """

    def __init__(self, link: str, **kwargs):
        super().__init__(**kwargs)
        self.link = one_of("link", link, ("log", "identity"))

    def call(self, logits):
        if self.link == "identity":
            return logits
        return attach_logits(ops.exp(ops.minimum(logits, _LARGEST_LOGIT)), logits)

    def compute_output_shape(self, logits_shape):
        return logits_shape

    def get_config(self):
        return {**super().get_config(), "link": self.link}
