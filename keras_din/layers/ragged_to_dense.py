"""The door of a model, where ragged inputs become what all layers behind it read."""

import keras

from keras_din.ops import ragged_to_padded


@keras.saving.register_keras_serializable(package="keras_din")
class RaggedToDense(keras.layers.Layer):
    """Lets inputs pass, and gives ragged ones (`tf.RaggedTensor`) zeros behind each row.

    Index 0 is padding, so the zeros change nothing. Indices and numbers are all that is ever
    padded here: `PackSequence` follows.

    Args:
        fingerprint: The fingerprint of the spec that the inputs are of, which so is part of every
            model, clone and file that this layer is part of.

    Call arguments:
        inputs: A dict of tensors, ragged or not.

    Returns:
        A dict of tensors by the same names, none ragged.
    """

    def __init__(self, fingerprint=None, **kwargs):
        # Numbers keep their precision: an index may be one.
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
