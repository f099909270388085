"""Replaces indices that a table does not have by out-of-vocabulary."""

import keras
from keras import ops

from keras_din.checks import positive_integer
from keras_din.features import OOV_INDEX


@keras.saving.register_keras_serializable(package="keras_din")
class KnownIndices(keras.layers.Layer):
    """Replaces each index outside `[0, vocabulary_size)` by 1, out-of-vocabulary.

    `Embedding` does the same itself. This layer is for indices that are used without a lookup,
    such as those of a cross.

    Args:
        vocabulary_size: Number of rows of the table, see `Embedding`.
        feature: Name of the table, by which `keras_din.grow` finds its new size. Defaults to the
            name of the layer.

    Call arguments:
        indices: Int tensor of any shape.

    Returns:
        Int tensor of the same shape and dtype.

    Raises:
        ValueError: If `vocabulary_size` is not a positive integer.

    Example:

    ```python
    outputs = kd.layers.KnownIndices(4)(np.array([[0, 3, 4, -1]]))  # [[0, 3, 1, 1]]
    ```
    """

    def __init__(self, vocabulary_size, feature=None, **kwargs):
        super().__init__(**kwargs)
        self.vocabulary_size = positive_integer("vocabulary_size", vocabulary_size)
        self.feature = self.name if feature is None else feature

    def call(self, indices):
        known = ops.logical_and(indices >= 0, indices < self.vocabulary_size)
        return ops.where(known, indices, ops.cast(OOV_INDEX, indices.dtype))

    def compute_output_spec(self, indices):
        return keras.KerasTensor(indices.shape, indices.dtype)

    def get_config(self):
        config = super().get_config()
        return {**config, "vocabulary_size": self.vocabulary_size, "feature": self.feature}
