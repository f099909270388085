"""From a trained model to versions that TensorFlow Serving picks up, and to files for others."""

from keras_din.serving.portable import export_litert, export_onnx
from keras_din.serving.saved_model import export

__all__ = ["export", "export_litert", "export_onnx"]
