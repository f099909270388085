"""The rows that curves are fitted to: logits, labels and the values of a feature."""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_din.count_text import count_text
from keras_din.dataset_facts import negative_rate_of
from keras_din.evaluation.traces import trace_model
from keras_din.logits import logits_of
from keras_din.metrics import calibration, expected_calibration_error, logloss

_LEAST_OF_EACH = 10
_LARGEST = 100.0  # Probabilities of 0 and 1 have no logit in float32.


class Rows(NamedTuple):
    """The rows of one output, without padding and without missing labels.

    Attributes:
        logits: The logits of the click rates that the model predicts, float64 `(rows,)`.
        labels: 0 or 1, int64 `(rows,)`.
        values: The index of the feature's value, int64 `(rows,)`. Zeros without a feature.
        negative_rate: The fraction of the log's negatives in the rows.
    """

    logits: np.ndarray
    labels: np.ndarray
    values: np.ndarray
    negative_rate: float

    @property
    def weights(self) -> np.ndarray:
        """The number of rows of the log that each row stands for."""
        return np.where(self.labels == 1, 1.0, 1 / self.negative_rate)

    def metrics(self, logits) -> dict:
        """Returns the metrics of click rates, given by their logits."""
        # Data with downsampled negatives has a higher click rate than the log.
        p = 1 / (1 + np.exp(np.log(self.negative_rate) - logits))
        return {
            "calibration": calibration(self.labels, p),
            "ece": expected_calibration_error(self.labels, p),
            "logloss": logloss(self.labels, p),
        }


class PredictedLogits(keras.layers.Layer):
    """Returns the logits of probabilities, as `keras_din.layers.Calibration` reads them."""

    def __init__(self, **kwargs):
        super().__init__(dtype="float32", **kwargs)

    def call(self, predictions):
        logits = logits_of(predictions)
        if logits is None:
            logits = ops.log(predictions) - ops.log1p(-predictions)
        return ops.cast(logits, "float32")

    def compute_output_shape(self, predictions_shape):
        return predictions_shape


def read_rows(dataset: Any, inputs: dict, predictions: dict, index, fingerprint) -> dict:
    """Predicts a dataset.

    Args:
        dataset: See `keras_din.evaluation.predict`.
        inputs: The inputs of a model, by name.
        predictions: Name of an output -> its `KerasTensor`, probabilities of the log.
        index: `KerasTensor` of the feature's indices, `(batch,)` or `(batch, candidates)`, or
            `None`.
        fingerprint: The fingerprint of the model, by which the spec of `dataset` is checked.

    Returns:
        A dict, name of the output -> `Rows`.
    """
    layers = {name: PredictedLogits(name=f"logits_{name}") for name in predictions}
    tensors = {layer.name: layer(predictions[name]) for name, layer in layers.items()}
    if index is not None:
        tensors["index"] = index
    model = keras.Model(inputs, tensors)
    model.fingerprint = fingerprint
    forward = trace_model(model, dataset)
    batches: dict[str, list] = {name: [] for name in predictions}
    for x, y, *weight in dataset:
        predicted = forward(x)
        labels = _of_outputs(y, predictions, "`y`")
        weights = _of_outputs(weight[0] if weight else 1.0, predictions, "`sample_weight`")
        for name, layer in layers.items():
            values = _matrix(predicted[layer.name])
            real = np.broadcast_to(_matrix(weights[name]) != 0, values.shape)
            of_rows = np.broadcast_to(_matrix(predicted.get("index", 0)), values.shape)
            label = _matrix(labels[name])
            batches[name].append((values[real], label[real], of_rows[real]))
    rate = negative_rate_of(dataset)
    return {name: _rows(name, each, rate) for name, each in batches.items()}


def _rows(name: str, batches: list, negative_rate: float) -> Rows:
    if not batches:
        raise ValueError("`dataset` must have at least one batch. Received: an empty dataset.")
    logits, labels, index = (np.concatenate(each) for each in zip(*batches, strict=True))
    if not ((labels == 0) | (labels == 1)).all():
        row = int(np.argmin((labels == 0) | (labels == 1)))
        raise ValueError(
            f"The labels of a calibrated output must be 0 or 1. Received: {labels[row]:g} in row "
            f"{row} of {name!r}."
        )
    logits = np.clip(logits.astype("float64"), -_LARGEST, _LARGEST)
    return Rows(logits, labels.astype("int64"), index.astype("int64"), negative_rate)


def check_enough(name: str, labels) -> None:
    """Raises a `ValueError` unless there are 10 rows of each class."""
    rows, clicks = len(labels), int(np.sum(labels))
    if min(clicks, rows - clicks) < _LEAST_OF_EACH:
        raise ValueError(
            f"The calibration rows of the output {name!r} must have at least {_LEAST_OF_EACH} rows "
            f"with the label 1 and {_LEAST_OF_EACH} with the label 0; a good curve needs some "
            "hundred of each. To calibrate other outputs without it, name them in `output` of "
            "`calibrate` or `keras_din.training.calibrate_run`, or in `keras-din calibrate "
            f"--output`. Received: {count_text(rows, 'row')}, {clicks:,} of them with the label 1."
        )


def _of_outputs(values, names, what: str) -> dict:
    """Returns one value per output. A single weight belongs to all of them."""
    if isinstance(values, dict):
        is_complete, found = all(name in values for name in names), str(list(values))
    else:
        is_complete, found = len(names) == 1 or what != "`y`", "one tensor"
    if not is_complete:
        raise ValueError(
            f"{what} of `dataset` must have an entry for each calibrated output, {list(names)}. "
            f"Received: {found}."
        )
    return values if isinstance(values, dict) else dict.fromkeys(names, values)


def _matrix(values) -> np.ndarray:
    values = np.asarray(values)
    return values[:, None] if values.ndim == 1 else values
