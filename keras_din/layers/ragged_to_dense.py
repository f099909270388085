"""Pads the ragged inputs of a model."""

import keras

from keras_din.ops import ragged_to_padded


@keras.saving.register_keras_serializable(package="keras_din")
class RaggedToDense(keras.layers.Layer):
    """Pads ragged inputs (`tf.RaggedTensor`) with zeros at the end of each row.

    Dense inputs are returned unchanged. Index 0 is padding, so the zeros change no prediction. Only
    indices and numbers are padded, never embeddings: a `PackSequence` layer comes next.

    Args:
        fingerprint: The fingerprint of the spec of the inputs. The layer carries it into every
            model, clone and file that contains this layer.

    Call arguments:
        inputs: A dict of tensors, ragged or not.

    Returns:
        A dict of dense tensors with the same names.

    Example:

    ```python
    outputs = kd.layers.RaggedToDense()({"item_id": np.array([[2, 3]])})
    ```
    """

    def __init__(self, fingerprint: str | None = None, **kwargs):
        # No autocast: numbers and indices must keep their precision.
        super().__init__(**{"autocast": False, **kwargs})
        self.fingerprint = fingerprint

    def call(self, inputs):
        return {name: ragged_to_padded(tensor) for name, tensor in inputs.items()}

    def compute_output_spec(self, inputs):
        return {
            name: keras.KerasTensor(tensor.shape, tensor.dtype) for name, tensor in inputs.items()
        }

    def get_config(self):
        return {**super().get_config(), "fingerprint": self.fingerprint}
