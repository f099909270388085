"""Pooling of a behavior sequence with equal weights, the baseline of attention pooling."""

import keras
from keras import ops

from keras_din.checks import one_of
from keras_din.layers.pack_behaviors import pack_behaviors
from keras_din.ops import segment_mean, segment_sum


@keras.saving.register_keras_serializable(package="keras_din")
class SequencePooling(keras.layers.Layer):
    """Sums or averages a user's behaviors, independently of the candidate.

    `output = sum_j k_j` or `sum_j k_j / n`, over the `n` real behaviors.

    Args:
        pooling: `"mean"` or `"sum"`.

    Call arguments:
        keys: Float tensor `(batch, time, dim)`, padded or ragged, or the packed form
            `(positions, dim)`: the real positions of `keys_mask`, row by row.
        keys_mask: Bool tensor `(batch, time)`, `True` where a behavior is real. Defaults to the
            Keras mask of `keys`, else to all `True`. Required with packed keys. May be ragged.

    Returns:
        Float tensor `(batch, dim)`, without a mask. A user without any behavior gives zeros.

    Raises:
        ValueError: If an argument or the shape of a call argument is invalid.

    Example:

    ```python
    layer = kd.layers.SequencePooling("mean")
    keys = np.ones((2, 5, 4), "float32")
    outputs = layer(keys, keys_mask=np.ones((2, 5), bool))  # (2, 4)
    ```
    """

    def __init__(self, pooling: str = "mean", **kwargs):
        super().__init__(**kwargs)
        self.pooling = one_of("pooling", pooling, ("mean", "sum"))
        self.supports_masking = True
        self.supports_jit = keras.backend.backend() != "tensorflow"

    def call(self, keys, keys_mask=None):
        keys, rows, mask = pack_behaviors(keys, keys_mask)
        if self.pooling == "sum":
            return segment_sum(keys, rows, ops.shape(mask)[0])
        return segment_mean(keys, rows, ops.sum(ops.cast(mask, "int32"), axis=1))

    def compute_mask(self, keys, keys_mask=None):
        return None

    def compute_output_shape(self, keys_shape, keys_mask_shape=None):
        batch = keys_shape[0] if len(keys_shape) == 3 else None
        return (batch, keys_shape[-1])

    def get_config(self):
        return {**super().get_config(), "pooling": self.pooling}
