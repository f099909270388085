"""Transforms of numbers before they are standardized."""

import keras
from keras import ops

from keras_din.checks import one_of
from keras_din.ops import interpolate, replace_missing, signed_log1p


@keras.saving.register_keras_serializable(package="keras_din")
class TransformNumbers(keras.layers.Layer):
    """Computes a function of raw numbers in float32, then casts to the layer's dtype.

    - `"log1p"`: `sign(x) log(1 + |x|)`.
    - `"clip"`: `x`, at least `points[0]` and at most `points[1]`.
    - `"interpolate"`: the piecewise linear function that has the values `positions` at `points`.
      It is constant beyond the first and the last point.

    NaN and infinity are missing numbers. They are replaced by `missing` before the transform.

    Args:
        transform: `"log1p"`, `"clip"` or `"interpolate"`.
        points: For `"clip"` two numbers, for `"interpolate"` numbers in strictly ascending order.
        positions: For `"interpolate"`: one number per point.
        missing: The number that replaces missing numbers.

    Call arguments:
        inputs: Float tensor of any shape.

    Returns:
        Float tensor shaped like `inputs`.

    Raises:
        ValueError: If `transform` is unknown, or `points` and `positions` do not fit it.

    Example:

    ```python
    layer = kd.layers.TransformNumbers("interpolate", points=[0, 10, 30], positions=[0, 0.5, 1])
    outputs = layer(np.array([-5.0, 5.0, 20.0]))  # [0, 0.25, 0.75]
    ```
    """

    def __init__(self, transform: str, points=(), positions=(), missing: float = 0.0, **kwargs):
        super().__init__(**{"autocast": False, **kwargs})
        self.transform = one_of("transform", transform, ("log1p", "clip", "interpolate"))
        self.points, self.positions = (list(map(float, each)) for each in (points, positions))
        self.missing = float(missing)
        self.supports_masking = True
        sizes = len(self.points), len(self.positions)
        interpolates = transform == "interpolate"
        if not (
            (interpolates and sizes[0] == sizes[1] > 0)
            or sizes == ({"log1p": 0, "clip": 2}.get(transform), 0)
        ):
            raise ValueError(
                "`points` must be two numbers for 'clip', and as many numbers as `positions`, at "
                "least one, for 'interpolate'. "
                f"Received: {sizes[0]} points and {sizes[1]} positions with "
                f"transform={transform!r}."
            )
        pairs = zip(self.points[:-1], self.points[1:], strict=True)
        if any(not (a < b if interpolates else a <= b) for a, b in pairs):
            raise ValueError(
                f"`points` must be in ascending order. Received: points={self.points}."
            )

    def call(self, inputs):
        x = replace_missing(ops.cast(inputs, "float32"), self.missing)
        if self.transform == "log1p":
            x = signed_log1p(x)
        elif self.transform == "clip":
            x = ops.clip(x, *self.points)
        else:
            x = interpolate(x, self.points, self.positions)
        return ops.cast(x, self.compute_dtype)

    def compute_output_shape(self, inputs_shape):
        return inputs_shape

    def get_config(self):
        return {
            **super().get_config(),
            "transform": self.transform,
            "points": self.points,
            "positions": self.positions,
            "missing": self.missing,
        }
