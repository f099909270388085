"""The factor of a click probability that depends on the position alone."""

import keras
import numpy as np
from keras import ops

from keras_din.ops import product_logits

_LOGIT_OF_ONE = 1e9  # Its sigmoid is 1, and `product_logits` returns the other logit.


@keras.saving.register_keras_serializable(package="keras_din")
class PositionBias(keras.layers.Layer):
    """Computes the logit of `p = p_seen(position) p_click` from the logit of `p_click`.

    `p_seen(1) = 1` and `p_seen(k) = sigmoid(b_k)` with a learned `b_k` for each further position,
    initially 0. A position of 0, NaN or infinity is unknown: then `p_seen = 1`. See
    `keras_din.Position`.

    Args:
        size: Number of positions, at least 2. Those beyond `size` share `b_size`.

    Call arguments:
        logits: Float tensor `(batch, candidates, 1)`.
        positions: Tensor `(batch, candidates)`, integers or floats, from 1.

    Returns:
        Float tensor `(batch, candidates, 1)`.

    Example:

    ```python
    layer = kd.layers.PositionBias(3)
    logits = layer(np.zeros((1, 2, 1), "float32"), np.array([[1, 2]]))  # 0 and log(1 / 3)
    layer.probabilities()  # [1., 0.5, 0.5]
    ```

    Reference:
        [Guo et al., 2019](https://doi.org/10.1145/3298689.3347033), Eq. (4).
    """

    def __init__(self, size: int, **kwargs):
        # No autocast: half precision has no integers beyond 2048.
        super().__init__(**{"autocast": False, **kwargs})
        self.size = size
        self.supports_masking = True  # Keras would warn that the mask of the logits is lost.
        self.position_logits = self.add_weight(
            shape=(size - 1, 1), initializer="zeros", name="position_logits"
        )

    def build(self, *shapes):
        self.built = True

    def call(self, logits, positions):
        positions = ops.cast(positions, "float32")
        is_known = ops.isfinite(positions)
        positions = ops.where(is_known, positions, 0.0)
        rows = ops.cast(ops.clip(positions, 0, self.size), "int32") - 2
        seen = ops.take(self.position_logits, ops.maximum(rows, 0), axis=0)
        seen = ops.where(ops.expand_dims(rows >= 0, -1), seen, _LOGIT_OF_ONE)
        return product_logits(logits, ops.cast(seen, logits.dtype))

    def compute_output_shape(self, logits_shape, positions_shape=None):
        return logits_shape

    def probabilities(self) -> np.ndarray:
        """Returns `p_seen` of the positions 1 to `size`, float32 `(size,)`."""
        learned = ops.convert_to_numpy(ops.sigmoid(self.position_logits))[:, 0]
        return np.append(np.ones(1, np.float32), learned)

    def get_config(self):
        return {**super().get_config(), "size": self.size}
