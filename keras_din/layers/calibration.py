"""A monotone curve from the predictions of a model to calibrated probabilities."""

import keras
import numpy as np
from keras import ops

from keras_din.logits import attach_logits, logits_of

_LARGEST = float(np.finfo(np.float32).max)


@keras.saving.register_keras_serializable(package="keras_din")
class Calibration(keras.layers.Layer):
    """Maps probabilities by a piecewise linear, strictly increasing curve of their logits.

    `output = sigmoid(curve(log(p / (1 - p))))`, in float32. The curve connects its points by lines.
    The first and the last line go on beyond the points. So the order of values does not change,
    and 0 and 1 stay 0 and 1. If the logits of a probability are available, the layer reads them,
    which is exact near 0 and 1 too: on TensorFlow after any sigmoid, on other backends after
    `ClickProbability`. `keras_din.calibration.calibrate` fits the curves and adds the layer.

    A feature may have a curve per value. Then the order does not change among candidates with the
    same value.

    Args:
        curves: List of curves. Each is a pair of lists: the logits of its points in ascending
            order, at least two, and the calibrated logits at these points, which ascend too. The
            first curve belongs to all values that are not in `indices`.
        indices: List of the feature's indices that have a curve of their own, in the order of
            the other curves.
        by: Name of this feature, or `None`.
        method: How the curves were fitted, or `None`.
        report: What is known of the fit, JSON values, or `None`.
        **kwargs: See `keras.layers.Layer`.

    Call arguments:
        predictions: Float tensor `(batch,)` or `(batch, candidates)`, probabilities.
        index: Int tensor of the same shape, or `(batch,)`: the indices of the feature. It is
            required with `indices`.

    Returns:
        Float32 tensor shaped like `predictions`.

    Raises:
        ValueError: If the points of a curve do not ascend, or there is not one curve more than
            indices.

    Example:

    ```python
    layer = kd.layers.Calibration([([-1.0, 1.0], [-2.0, 0.0])])  # Logits minus 1.
    click_rates = layer(np.array([0.5, 0.9], "float32"))  # [0.2689, 0.7680]
    ```
    """

    def __init__(self, curves, indices=(), by=None, method=None, report=None, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.curves = [[list(map(float, each)) for each in curve] for curve in curves]
        self.indices = list(map(int, indices))
        self.by, self.method, self.report = by, method, report
        self.supports_masking = True
        self.built = True
        if len(self.curves) != len(self.indices) + 1:
            raise ValueError(
                "`curves` must be the curve of all values and one per entry of `indices`. "
                f"Received: {len(self.curves)} curves and {len(self.indices)} indices."
            )
        if len(set(self.indices)) < len(self.indices) or min(self.indices, default=0) < 0:
            raise ValueError(
                f"`indices` must be distinct and not negative. Received: indices={self.indices!r}."
            )
        for curve in self.curves:
            _check_curve(curve)
        self._segments = _segments(self.curves)

    def call(self, predictions, index=None):
        logits = logits_of(predictions)
        if logits is None:
            p = ops.cast(predictions, "float32")
            logits = ops.log(p) - ops.log1p(-p)
        logits = ops.cast(logits, "float32")
        calibrated = self._curve(logits, index)
        return attach_logits(ops.sigmoid(calibrated), calibrated)

    def _curve(self, logits, index):
        """Computes `value + sum_i slope_i clip(logits - start_i, low_i, high_i)`.

        Each term grows with the logits, and so does a sum that is rounded term by term. A search
        for the segment could violate the order by rounding.
        """
        constants = [ops.convert_to_tensor(table) for table in self._segments]
        if self.indices:
            if index is None:
                raise ValueError(
                    f"`index` must be given, since the values of {self.by!r} have curves of their "
                    "own. Received: None."
                )
            curve = self._curve_of(index)
            if len(index.shape) < len(logits.shape):
                curve = ops.expand_dims(curve, -1)
            constants = [ops.take(table, curve, axis=0) for table in constants]
        else:
            constants = [table[0] for table in constants]
        value, start, low, high, slope = constants
        x = ops.expand_dims(logits, -1) - start
        return value + ops.sum(slope * ops.minimum(ops.maximum(x, low), high), axis=-1)

    def _curve_of(self, index):
        """Returns the number of the curve of each index; 0 for one without its own."""
        own = np.zeros(max(self.indices) + 2, np.int32)
        own[self.indices] = np.arange(1, len(self.curves))
        index = ops.cast(index, "int32")
        known = ops.logical_and(index >= 0, index < len(own))
        return ops.take(ops.convert_to_tensor(own), ops.where(known, index, len(own) - 1), axis=0)

    def compute_output_spec(self, predictions, index=None):
        return keras.KerasTensor(predictions.shape, "float32")

    def get_config(self):
        config = super().get_config()
        del config["dtype"]  # Always float32.
        return config | {
            "curves": self.curves,
            "indices": self.indices,
            "by": self.by,
            "method": self.method,
            "report": self.report,
        }


def _check_curve(curve) -> None:
    points = [np.asarray(each) for each in curve]
    if not (
        len(points) == 2
        and len(points[0]) == len(points[1]) >= 2
        and all(np.isfinite(each).all() and (np.diff(each) > 0).all() for each in points)
    ):
        raise ValueError(
            "A curve must be two lists of at least two numbers, and both must ascend. "
            f"Received: {curve!r}."
        )


def _segments(curves) -> tuple:
    """Returns the constants of all curves: `(curves,)`, and four `(curves, segments)`.

    A curve with fewer segments has further ones of slope 0.
    """
    count = max(len(x) for x, _ in curves) - 1
    value = np.array([y[0] for _, y in curves], np.float32)
    start, low, high, slope = (np.zeros((len(curves), count), np.float32) for _ in range(4))
    for row, (x, y) in enumerate(np.array(curve) for curve in curves):
        size = len(x) - 1
        start[row, :size] = x[:-1]
        high[row, :size] = np.diff(x)
        slope[row, :size] = np.diff(y) / np.diff(x)
        low[row, 0], high[row, size - 1] = -_LARGEST, _LARGEST
    return value, start, low, high, slope
