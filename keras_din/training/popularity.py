"""The run of the model `"popularity"`, which is counted and takes no gradient steps."""

import keras

from keras_din.checks import one_of
from keras_din.losses import BinaryCrossentropy
from keras_din.models import fit_popularity
from keras_din.training.build_model import call_builder

POPULARITY = "popularity"


def count_popularity(data, arguments: dict) -> tuple:
    """`(model, prior strength)` of the smoothed click rates of the part `"train"`.

    Raises:
        ValueError: When an argument is given that has no effect on counts.
    """
    for name, neutral in (("positive_weight", 1), ("ema_momentum", 0)):
        if arguments[name] != neutral:
            raise ValueError(
                f"`{name}` must be {neutral} for model={POPULARITY!r}, which is counted and takes "
                f"no gradient steps. Received: {name}={arguments[name]!r}."
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
    # Saved with the model, so that exports and evaluations undo the rate of negatives.
    model.compile(keras.optimizers.SGD(), BinaryCrossentropy(negative_rate=data.negative_rate))
    return model, strength
