"""The losses of the labels of a spec."""

from keras_din.losses.binary_crossentropy import BinaryCrossentropy
from keras_din.losses.candidate_loss import CandidateLoss
from keras_din.losses.huber import Huber
from keras_din.losses.mean_squared_error import MeanSquaredError
from keras_din.losses.poisson import Poisson
from keras_din.losses.weighted_logistic import WeightedLogistic

_OF_NUMBERS = {
    "weighted_logistic": WeightedLogistic,
    "poisson": Poisson,
    "huber": Huber,
    "mse": MeanSquaredError,
}


def losses_of_labels(
    labels, positive_weight: float = 1.0, negative_rate: float | None = None
) -> dict[str, CandidateLoss]:
    """Returns name of the output -> the loss of its label, for `compile`.

    Args:
        labels: The labels of a spec, `spec.labels`.
        positive_weight: See `BinaryCrossentropy`. It applies to labels of 0 and 1.
        negative_rate: See `BinaryCrossentropy`. It applies to labels of 0 and 1.

    Example:

    ```python
    labels = [kd.Label("click"), kd.Label("watch", loss="poisson")]
    kd.losses.losses_of_labels(labels)  # {"ctr": BinaryCrossentropy, "watch": Poisson}
    ```
    """
    return {
        label.output: BinaryCrossentropy(positive_weight, negative_rate=negative_rate)
        if label.is_binary
        else _OF_NUMBERS[label.loss]()
        for label in labels
    }
