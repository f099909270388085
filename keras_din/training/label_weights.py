"""Weights of the losses of several labels: fixed, or learned in training."""

import keras

from keras_din.ctr_model import CTRModel

FIXED, UNCERTAINTY = "fixed", "uncertainty"


def check_learned_weights(spec) -> None:
    """Raises a `ValueError` unless the weights of a spec's labels can be learned."""
    weights = {label.name: label.weight for label in spec.labels}
    if len(weights) < 2:
        raise ValueError(
            f"`label_weights={UNCERTAINTY!r}` requires data with several labels. "
            f"Received: the labels {list(weights)}."
        )
    if any(weight != 1 for weight in weights.values()):
        raise ValueError(
            f"`label_weights={UNCERTAINTY!r}` learns the weights of the labels: leave out `weight` "
            f"of `Label`. Received: weights {weights}."
        )


def with_learned_weights(model: keras.Model) -> CTRModel:
    """Returns a model that is not compiled, with learned weights of the losses of its outputs."""
    return CTRModel(model.input, model.output, model.name, label_weights=UNCERTAINTY)
