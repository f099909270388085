"""Removes the padding of sequences."""

import keras

from keras_din.ops import is_ragged, pack, pack_ragged, ragged_to_padded


@keras.saving.register_keras_serializable(package="keras_din")
class PackSequence(keras.layers.Layer):
    """Keeps only the real positions of a padded sequence, row by row.

    On the TensorFlow backend `(batch, time)` becomes `(positions,)`. Backends with static shapes
    keep the padded form. Layers that read sequences accept both forms, with the same mask.

    Call arguments:
        values: Tensor `(batch, time)`, `(batch, time, dim)`, or `(batch, time, values)` for bags.
        mask: Bool tensor `(batch, time)`, `True` where a position is real. Either may be ragged.

    Returns:
        Tensor `(positions,)` or `(positions, ...)` on TensorFlow, else `values`.

    Example:

    ```python
    mask = np.array([[True, True], [False, True]])
    outputs = kd.layers.PackSequence()(np.array([[5, 6], [0, 7]]), mask)  # [5, 6, 7] on TensorFlow
    ```
    """

    def __init__(self, **kwargs):
        # No autocast: numbers must keep their precision until they are standardized.
        super().__init__(**{"autocast": False, **kwargs})
        self.packs = keras.backend.backend() == "tensorflow"
        # Output shapes depend on values: XLA would recompile for each length.
        self.supports_jit = not self.packs
        self.supports_masking = True

    def call(self, values, mask):
        if is_ragged(values):
            return pack_ragged(values, mask)[0]
        return pack(values, ragged_to_padded(mask)) if self.packs else values

    def compute_mask(self, values, mask=None):
        return None

    def compute_output_shape(self, values_shape, mask_shape=None):
        return (None, *values_shape[2:]) if self.packs else values_shape
