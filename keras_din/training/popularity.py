"""Runs of the model `"popularity"`, which is computed from counts, without gradient steps."""

import keras

from keras_din.checks import one_of
from keras_din.losses import BinaryCrossentropy
from keras_din.losses.of_labels import CROSSENTROPY
from keras_din.models import fit_popularity
from keras_din.training.build_model import call_builder

POPULARITY = "popularity"


def count_popularity(data, arguments: dict) -> tuple:
    """Computes `(model, prior_strength)` from the counts of the part `"train"`.

    Raises:
        ValueError: If an argument has a value that has no effect on counts.
    """
    for name, neutral in (("loss", CROSSENTROPY), ("positive_weight", 1), ("ema_momentum", 0)):
        if arguments[name] != neutral:
            raise ValueError(
                f"`{name}` must be {neutral!r} for model={POPULARITY!r}, which is computed from "
                f"counts. Received: {name}={arguments[name]!r}."
            )
    model = call_builder(data.spec, arguments)
    parts = {
        part: (
            samples.columns,
            samples.labels[data.spec.labels[0].name],
            *([] if samples.weight is None else [samples.weight]),
        )
        for part, samples in data.parts.items()
    }
    train = parts[one_of("part", "train", tuple(parts))]
    strength = fit_popularity(model, train, parts.get("valid"))
    # The loss is saved with the model, for the conversion to click rates of the log.
    model.compile(keras.optimizers.SGD(), BinaryCrossentropy(negative_rate=data.negative_rate))
    return model, strength
