"""Repeats the values of each row for each of its behaviors."""

import keras
from keras import ops

from keras_din.ops import gather_rows, row_ids


@keras.saving.register_keras_serializable(package="keras_din")
class GatherRows(keras.layers.Layer):
    """Repeats each row's values, such as its candidates, for each of its behaviors.

    On the TensorFlow backend `(batch, ...)` becomes `(positions, ...)`, in the order of
    `PackSequence`. Backends with static shapes keep the padded form and get `(batch, 1, ...)`,
    which broadcasts against `(batch, time, ...)`.

    Call arguments:
        values: Tensor `(batch, ...)`.
        mask: Bool tensor `(batch, time)`, `True` where a behavior is real.

    Returns:
        Tensor `(positions, ...)` on TensorFlow, else `(batch, 1, ...)`.

    Example:

    ```python
    mask = np.array([[True, True], [False, True]])
    outputs = kd.layers.GatherRows()(np.array([[1.0], [2.0]]), mask)  # (3, 1) on TensorFlow
    ```
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.packs = keras.backend.backend() == "tensorflow"
        # Output shapes depend on values: XLA would recompile for each length.
        self.supports_jit = not self.packs
        self.supports_masking = True

    def call(self, values, mask):
        if self.packs:
            return gather_rows(values, row_ids(mask))
        return ops.expand_dims(values, 1)

    def compute_mask(self, values, mask=None):
        return None

    def compute_output_shape(self, values_shape, mask_shape=None):
        rest = tuple(values_shape[1:])
        return (None, *rest) if self.packs else (values_shape[0], 1, *rest)
