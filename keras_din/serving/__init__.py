"""From a trained model to versions that TensorFlow Serving picks up."""

from keras_din.serving.saved_model import export

__all__ = ["export"]
