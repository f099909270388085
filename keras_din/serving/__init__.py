"""From a trained model to versions for TensorFlow Serving, and to files for other runtimes."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras_din.serving.formats.litert import export_litert
    from keras_din.serving.formats.onnx import export_onnx
    from keras_din.serving.saved_model import export
    from keras_din.serving.version.delta import apply_delta, make_delta
    from keras_din.serving.version.rollback import rollback
    from keras_din.serving.version.sample_request import sample_request

# What `keras-din export --format` accepts -> the function that writes it.
FORMATS = {"savedmodel": "export", "onnx": "export_onnx", "litert": "export_litert"}
# The commands list the formats in their help, so TensorFlow is imported at the first use only.
_MODULES = {
    "apply_delta": "version.delta",
    "export": "saved_model",
    "export_litert": "formats.litert",
    "export_onnx": "formats.onnx",
    "make_delta": "version.delta",
    "rollback": "version.rollback",
    "sample_request": "version.sample_request",
}


def __getattr__(name: str):
    if name not in _MODULES:
        raise AttributeError(f"module 'keras_din.serving' has no attribute {name!r}")
    module = importlib.import_module(f"keras_din.serving.{_MODULES[name]}")
    globals()[name] = getattr(module, name)
    return globals()[name]


__all__ = [
    "FORMATS",
    "apply_delta",
    "export",
    "export_litert",
    "export_onnx",
    "make_delta",
    "rollback",
    "sample_request",
]
