"""The losses of the labels of a spec."""

from keras_din.checks import one_of
from keras_din.losses.binary_crossentropy import BinaryCrossentropy
from keras_din.losses.candidate_loss import CandidateLoss
from keras_din.losses.huber import Huber
from keras_din.losses.jrc import JRC
from keras_din.losses.listwise_softmax import ListwiseSoftmax
from keras_din.losses.mean_squared_error import MeanSquaredError
from keras_din.losses.pairwise_logistic import PairwiseLogistic
from keras_din.losses.poisson import Poisson
from keras_din.losses.weighted_logistic import WeightedLogistic

CROSSENTROPY = "binary_crossentropy"
RANKING = {
    "pairwise_logistic": PairwiseLogistic,
    "listwise_softmax": ListwiseSoftmax,
    "jrc": JRC,
}
OF_NUMBERS = {
    "weighted_logistic": WeightedLogistic,
    "poisson": Poisson,
    "huber": Huber,
    "mse": MeanSquaredError,
}


def losses_of_labels(
    labels,
    positive_weight: float = 1.0,
    negative_rate: float | None = None,
    loss: str = CROSSENTROPY,
    loss_weight: float = 1.0,
) -> dict[str, CandidateLoss]:
    """Returns name of the output -> the loss of its label, for `compile`.

    Args:
        labels: The labels of a spec, `spec.labels`.
        positive_weight: See `BinaryCrossentropy`. It applies to labels of 0 and 1.
        negative_rate: See `BinaryCrossentropy`. It applies to labels of 0 and 1.
        loss: The loss of labels of 0 and 1: `"binary_crossentropy"`, or the sum of it and of
            `"pairwise_logistic"`, `"listwise_softmax"` or `"jrc"`.
        loss_weight: Weight of the ranking loss in this sum.

    Example:

    ```python
    labels = [kd.Label("click"), kd.Label("watch", loss="poisson")]
    kd.losses.losses_of_labels(labels)  # {"ctr": BinaryCrossentropy, "watch": Poisson}
    ```
    """

    def of_binary():
        rates = {"positive_weight": positive_weight, "negative_rate": negative_rate}
        if loss == CROSSENTROPY:
            return BinaryCrossentropy(**rates)
        return RANKING[one_of("loss", loss, tuple(RANKING))](loss_weight, crossentropy=1.0, **rates)

    def of_number(label):
        return Huber(label.delta) if label.loss == "huber" else OF_NUMBERS[label.loss]()

    return {label.output: of_binary() if label.is_binary else of_number(label) for label in labels}
