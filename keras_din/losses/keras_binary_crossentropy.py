"""Keras' binary crossentropy, computed from logits on every backend."""

import keras

from keras_din.logits import logits_of


@keras.saving.register_keras_serializable(package="keras_din")
class KerasBinaryCrossentropy(keras.losses.BinaryCrossentropy):
    """Keras' binary crossentropy, computed from logits on every backend.

    Keras itself finds the logits of probabilities only on TensorFlow. `CTRModel.compile` replaces
    Keras' loss by this one, which is otherwise the same.
    """

    @classmethod
    def in_place_of(cls, loss):
        """Returns this loss in place of Keras' crossentropy of probabilities, else `loss`."""
        if isinstance(loss, (list, tuple, dict)):
            return keras.tree.map_structure(cls.in_place_of, loss)
        if loss is keras.losses.binary_crossentropy or (
            isinstance(loss, str)
            and loss.lower()
            in ("binary_crossentropy", "binarycrossentropy", "bce", "crossentropy", "ce")
        ):
            return cls(name=loss if isinstance(loss, str) else "binary_crossentropy")
        if type(loss) is keras.losses.BinaryCrossentropy and not loss.from_logits:
            return cls(**{**loss.get_config(), "dtype": loss.dtype})
        return loss

    def __call__(self, y_true, y_pred, sample_weight=None):
        logits = logits_of(y_pred)
        if logits is None:
            return super().__call__(y_true, y_pred, sample_weight)
        config = {**self.get_config(), "from_logits": True, "dtype": self.dtype}
        return keras.losses.BinaryCrossentropy(**config)(y_true, logits, sample_weight)
