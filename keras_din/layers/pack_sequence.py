"""The door behind which nothing padded exists in floating point."""

import keras

from keras_din.ops import is_ragged, pack, pack_ragged, ragged_to_padded


@keras.saving.register_keras_serializable(package="keras_din")
class PackSequence(keras.layers.Layer):
    """Keeps the real positions of a padded sequence, row by row.

    On the TensorFlow backend `(batch, time)` becomes `(positions,)`. A backend that needs static
    shapes keeps the padded form; the layers that read sequences take both, with the same mask.

    Call arguments:
        values: Tensor `(batch, time)`, `(batch, time, dim)` or of bags `(batch, time, values)`.
        mask: Bool tensor `(batch, time)`, `True` where a position is real. Either may be ragged.

    Returns:
        Tensor `(positions,)` or `(positions, ...)` on TensorFlow, else `values`.
    """

    def __init__(self, **kwargs):
        # Numbers keep their precision until they are standardized.
        super().__init__(**{"autocast": False, **kwargs})
        self.packs = keras.backend.backend() == "tensorflow"
        # Shapes that depend on values: XLA would compile anew for each length.
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
