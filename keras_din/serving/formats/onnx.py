"""A model as an ONNX file, for `onnxruntime`."""

import os
import pathlib

import keras

from keras_din.click_rates import ClickRates
from keras_din.features import FeatureSpec
from keras_din.serving.portable import FileFormat, export_file

_OPSET = 18


def export_onnx(
    model: keras.Model,
    spec: FeatureSpec,
    path: str | os.PathLike[str],
    *,
    positive_weight: float | dict | None = None,
    negative_rate: float | dict | None = None,
    raw: bool = False,
    rates: ClickRates | None = None,
) -> pathlib.Path:
    """Writes a model as an ONNX file, for `onnxruntime`.

    All models of `keras_din.MODELS` can be written, and models of common Keras operations.
    The graph has no lookup tables: it takes indices, not the values of the log. Inputs have the
    names of the spec. They are int32 indices and float32 numbers: context `(batch,)`, target
    `(batch, candidates)`, behaviors `(batch, time)`; a `Bag` has one more axis. Sizes of axes may
    change from call to call, and `time` may be 0. The output is `ctr`, float32
    `(batch, candidates)`; a spec with several labels has an output for each. Index 0 is padding,
    at any position. An index out of range is read as out-of-vocabulary, and a number that is not
    finite as the `fill_value` of its feature. A `Bucketized` is the index of its bucket. Of a
    history longer than `max_length` the most recent behaviors are used.

    The file keeps histories padded, while on TensorFlow they are packed. So a batch costs as much
    as its longest history, in `dien` as much as the square of `time`. `onnxruntime` must agree with
    the live model in float32, to 1e-5 on sample rows, before the file is written. `ctr` is the
    click rate of the log, same as in `keras_din.export`.

    Args:
        model: A model, same as in `keras_din.export`.
        spec: The `FeatureSpec` that it was built from.
        path: The file, such as `din.onnx`. An existing file is replaced.
        positive_weight: Same as in `keras_din.export`.
        negative_rate: Same as in `keras_din.export`.
        raw: Same as in `keras_din.export`.
        rates: Same as in `keras_din.export`.

    Returns:
        `path`.

    Raises:
        ValueError: If the inputs of the model are not those of the spec.
        RuntimeError: If the extra `keras_din[onnx]` is not installed, if ONNX lacks an operation
            of the model, or if `onnxruntime` fails or disagrees. No file is written then.

    Example:

    ```python
    spec = kd.FeatureSpec(target=[kd.Categorical("item_id", 100, dim=2)])
    file = kd.serving.export_onnx(kd.build_lr(spec), spec, "lr.onnx")
    ```
    """
    file_format = FileFormat("onnx", _write, open_onnx)
    return export_file(file_format, model, spec, path, positive_weight, negative_rate, raw, rates)


def _write(function, file) -> None:
    import onnxruntime  # noqa: F401
    import tf2onnx

    tf2onnx.convert.from_function(
        function, function.input_signature, opset=_OPSET, output_path=str(file)
    )


def open_onnx(file):
    """Returns the function of a file, from a dict of inputs to a dict of outputs."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    inputs = [entry.name for entry in session.get_inputs()]
    outputs = [entry.name for entry in session.get_outputs()]

    def score(x):
        values = session.run(outputs, {name: x[name] for name in inputs})
        return dict(zip(outputs, values, strict=True))

    return score
