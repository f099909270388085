"""Numbers as float32, the type in which models and exported versions read them."""

import struct

from keras_din.checks import is_number
from keras_din.features.kind import as_tuple

LARGEST = 3.4028234663852886e38  # The largest float32.
SMALLEST = 2.0**-126  # The smallest positive float32 that processors do not round to 0.


def to_float32(value: float) -> float:
    """Rounds a number to float32. A number below `SMALLEST` becomes 0, as in TensorFlow."""
    (rounded,) = struct.unpack("f", struct.pack("f", value))
    return rounded if abs(rounded) >= SMALLEST else 0.0


def float32_tuple(owner: str, word: str, values) -> tuple[float, ...]:
    """Returns `values` as a tuple of floats, or raises a `ValueError`.

    Args:
        owner: Name of the feature in the error.
        word: Name of the argument.
        values: A list of finite numbers whose absolute value is at most `LARGEST`.
    """
    values = as_tuple(owner, word, values)
    for value in values:
        # `not` because a comparison with NaN is false.
        if not is_number(value) or not abs(value) <= LARGEST:
            raise ValueError(
                f"`{word}` of {owner} must be finite numbers of float32. Received: {value!r}."
            )
    return tuple(map(float, values))
