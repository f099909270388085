"""The loss of click-through-rate models."""

import copy

import keras
from keras import ops

from keras_din.checks import positive_number, rate
from keras_din.logits import carried


@keras.saving.register_keras_serializable(package="keras_din")
class BinaryCrossentropy(keras.losses.Loss):
    """Binary crossentropy of probabilities, averaged over the real candidates.

    `loss = sum_i w_i l_i / sum_i w_i`, `l_i = -(c y_i log p_i + (1 - y_i) log(1 - p_i))`, over all
    candidates `i` of the batch. A candidate of weight 0 changes neither the loss nor its
    gradient; when all weigh 0 the loss is 0. Keras' own loss of this name averages the
    candidates of a row first, so that it cannot take a weight for each.

    `positive_weight`, `c`, is for logs with few clicks; the `class_weight` of `fit` is not, which
    takes the place of a row's clicked candidate for a class. Beside sample weights it multiplies
    what is summed and not what that is divided by: how many positives a batch has by chance does
    not scale its gradient. The model learns odds that are `c` times as high as those of the log;
    `keras_din.metrics.recalibrate` makes its output probabilities again.

    Of a model of the zoo it is computed from the logits, on every backend: a prediction that is
    sure and wrong costs its logit, with gradient 1, however sure. Of probabilities without
    logits it is computed as Keras does, clipped to `keras.config.epsilon()`: 16.1 at most, and
    without a gradient from there on.

    `negative_rate` changes nothing here. It tells which fraction of the log's negatives the model
    is trained on (`data.downsample_negatives`), is saved with the model, and `keras_din.export`
    reads it: what a version answers is then the click rate of the log. `positive_weight` is read
    likewise.

    Args:
        positive_weight: How much more the loss of a positive counts.
        negative_rate: The fraction of negatives that training sees, in (0, 1], such as
            `data.negative_rate`; `None` when not given.
        name: Name of the loss.

    Call arguments:
        y_true: Tensor `(batch, candidates)` of 0 and 1.
        y_pred: Float tensor `(batch, candidates)`, probabilities.
        sample_weight: Float tensor `(batch, candidates)`, or `(batch,)` for one weight a row; 0
            for padding. Defaults to 1 for each candidate.

    Returns:
        Float32 scalar.

    Raises:
        ValueError: When `positive_weight` is not a positive number, or `negative_rate` no rate.
    """

    def __init__(self, positive_weight=1.0, name="binary_crossentropy", *, negative_rate=None):
        super().__init__(name=name, reduction="mean_with_sample_weight", dtype="float32")
        self.positive_weight = positive_number("positive_weight", positive_weight)
        self._from_logits = False
        self.negative_rate = None if negative_rate is None else rate("negative_rate", negative_rate)

    def __call__(self, y_true, y_pred, sample_weight=None):
        logits = None if self._from_logits else carried(y_pred)
        if logits is not None:
            of_logits = copy.copy(self)
            of_logits._from_logits = True
            return of_logits(y_true, logits, sample_weight)
        if sample_weight is not None:
            # Keras divides by the sum of the weights as they are given: one a candidate.
            weight = ops.convert_to_tensor(sample_weight, dtype=self.dtype)
            if len(weight.shape) == len(y_pred.shape) - 1:
                weight = ops.expand_dims(weight, -1)
            sample_weight = weight * ops.ones_like(y_pred, dtype=self.dtype)
        return super().__call__(y_true, y_pred, sample_weight)

    def call(self, y_true, y_pred):
        losses = ops.binary_crossentropy(y_true, y_pred, from_logits=self._from_logits)
        if self.positive_weight == 1:
            return losses
        return losses * (1 + (self.positive_weight - 1) * ops.cast(y_true, losses.dtype))

    def get_config(self):
        config = {"positive_weight": self.positive_weight, "name": self.name}
        return config | {"negative_rate": self.negative_rate}


@keras.saving.register_keras_serializable(package="keras_din")
class KerasBinaryCrossentropy(keras.losses.BinaryCrossentropy):
    """Keras' own binary crossentropy, computed from logits on every backend.

    Keras finds the logits of probabilities on TensorFlow alone. `CTRModel.compile` takes this one
    where it is given Keras' own; it is the same in all else.
    """

    @classmethod
    def in_place_of(cls, loss):
        """This loss where Keras' binary crossentropy of probabilities is meant, else `loss`."""
        if isinstance(loss, (list, tuple, dict)):
            return keras.tree.map_structure(cls.in_place_of, loss)
        if loss is keras.losses.binary_crossentropy or (
            isinstance(loss, str)
            and loss.lower()
            in ("binary_crossentropy", "binarycrossentropy", "bce", "crossentropy", "ce")
        ):
            return cls(name=loss if isinstance(loss, str) else "binary_crossentropy")
        if type(loss) is keras.losses.BinaryCrossentropy and not loss.from_logits:
            return cls(**{**loss.get_config(), "dtype": loss.dtype})
        return loss

    def __call__(self, y_true, y_pred, sample_weight=None):
        logits = carried(y_pred)
        if logits is None:
            return super().__call__(y_true, y_pred, sample_weight)
        config = {**self.get_config(), "from_logits": True, "dtype": self.dtype}
        return keras.losses.BinaryCrossentropy(**config)(y_true, logits, sample_weight)
