"""A model as a LiteRT (TensorFlow Lite) file."""

import os
import pathlib

import keras
import numpy as np
import tensorflow as tf

from keras_din.click_rates import ClickRates
from keras_din.features import FeatureSpec
from keras_din.serving.portable import FileFormat, export_file


def export_litert(
    model: keras.Model,
    spec: FeatureSpec,
    path: str | os.PathLike[str],
    *,
    positive_weight: float | dict | None = None,
    negative_rate: float | dict | None = None,
    raw: bool = False,
    rates: ClickRates | None = None,
) -> pathlib.Path:
    """Writes a model as a LiteRT (TensorFlow Lite) file that has built-in operations only.

    Inputs and output are the same as in `export_onnx`, in the signature `serving_default`. Sizes of
    axes may change from call to call, but `time` and the number of values of a bag must be at
    least 1: an empty history consists of padding.

    Args:
        model: A model, same as in `keras_din.export`.
        spec: The `FeatureSpec` that it was built from.
        path: The file, such as `din.tflite`. An existing file is replaced.
        positive_weight: Same as in `keras_din.export`.
        negative_rate: Same as in `keras_din.export`.
        raw: Same as in `keras_din.export`.
        rates: Same as in `keras_din.export`.

    Returns:
        `path`.

    Raises:
        ValueError: If the inputs of the model are not those of the spec.
        RuntimeError: If the extra `keras_din[litert]` is not installed, if LiteRT lacks an
            operation of the model, or if its interpreter fails or disagrees with the live model.
            No file is written then.

    Example:

    ```python
    spec = kd.FeatureSpec(target=[kd.Categorical("item_id", 100, dim=2)])
    file = kd.serving.export_litert(kd.build_lr(spec), spec, "lr.tflite")
    ```
    """
    file_format = FileFormat("litert", _write, open_litert)
    return export_file(file_format, model, spec, path, positive_weight, negative_rate, raw, rates)


def _write(function, file) -> None:
    import ai_edge_litert.interpreter  # noqa: F401

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function()], tf.Module()
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    file.write_bytes(converter.convert())


def open_litert(file):
    """Returns the function of a file, from a dict of inputs to a dict of outputs."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_path=str(file)).get_signature_runner("serving_default")
    inputs = set(runner.get_input_details())

    def score(x):
        x = {name: values for name, values in x.items() if name in inputs}
        # No axis may have the size 0.
        short = {n: v for n, v in x.items() if v.ndim > 1 and 0 in v.shape}
        x |= {n: np.zeros([max(size, 1) for size in v.shape], v.dtype) for n, v in short.items()}
        return runner(**x)

    return score
