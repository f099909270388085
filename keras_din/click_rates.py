"""Whether what a model answers is the click rate of the log, and the model whose answer it is."""

from typing import NamedTuple

import keras

from keras_din.checks import one_of, positive_number, rate
from keras_din.losses import BinaryCrossentropy
from keras_din.metrics import recalibrate

GIVEN, COMPILED, ASSUMED = "given", "the loss", "assumed"


class ClickRates(NamedTuple):
    """What training did to the odds of a click.

    Attributes:
        positive_weight: How much more the loss of a positive counted.
        negative_rate: The fraction of the log's negatives that training saw.
        raw: Whether `ctr` is what the model answers, and nothing is undone.
        known_from: `positive_weight` and `negative_rate` -> `"given"`, `"the loss"`,
            `"the run"` or `"assumed"`.
    """

    positive_weight: float
    negative_rate: float
    raw: bool
    known_from: dict

    @property
    def factor(self) -> float:
        """How many times as high as in the log the odds are that the model learned."""
        return self.positive_weight / self.negative_rate

    def model(self, model: keras.Model) -> keras.Model:
        """The model whose output is `ctr`: `model` itself where there is nothing to undo."""
        if self.raw or self.factor == 1:
            return model
        ctr = recalibrate(model.output, self.positive_weight, self.negative_rate)
        inputs = {tensor.name: tensor for tensor in model.inputs}
        result = keras.Model(inputs, ctr, name=model.name)
        result.fingerprint = getattr(model, "fingerprint", None)  # As in `CTRModel`.
        return result

    def describe(self) -> str:
        """One sentence on what `ctr` is and what of it is assumed."""
        if self.raw:
            return "ctr: the output of the model as it is (raw)"
        sentence = "ctr: the click rate of the log"
        undone = [
            f"{name}={getattr(self, name):g}"
            for name in self.known_from
            if getattr(self, name) != 1
        ]
        if undone:
            sentence += f", the model's output with {' and '.join(undone)} undone"
        return sentence + "".join(
            f"; assumed: {_ASSUMED[name]}"
            for name, source in self.known_from.items()
            if source == ASSUMED
        )

    def to_json(self) -> dict:
        """What stands in `keras_din.json`."""
        return {
            "is": "the output of the model" if self.raw else "the click rate of the log",
            "raw": self.raw,
            "positive_weight": self.positive_weight,
            "negative_rate": self.negative_rate,
            "known_from": self.known_from,
        }


_ASSUMED = {
    "positive_weight": "positives counted once in the loss (positive_weight=1)",
    "negative_rate": "training saw all negatives (negative_rate=1)",
}


def click_rates(
    model, positive_weight=None, negative_rate=None, raw: bool = False, known_from=GIVEN
) -> ClickRates:
    """What is known of a model: what is given, else what its compiled loss has, else 1.

    Args:
        model: A Keras model.
        positive_weight: That of its training, or `None`.
        negative_rate: That of its training, or `None`.
        raw: Whether `ctr` shall be the output of the model as it is.
        known_from: What to call the source of the two.

    Raises:
        ValueError: When an argument is not as said here.
    """
    losses = keras.tree.flatten(getattr(model, "loss", None))  # Keras takes a list or dict too.
    loss = next((loss for loss in losses if isinstance(loss, BinaryCrossentropy)), None)
    values, sources = {}, {}
    for name, value, check in [
        ("positive_weight", positive_weight, positive_number),
        ("negative_rate", negative_rate, rate),
    ]:
        sources[name] = known_from
        if value is None:
            value, sources[name] = getattr(loss, name, None), COMPILED
        if value is None:
            value, sources[name] = 1.0, ASSUMED
        values[name] = check(name, value)
    return ClickRates(**values, raw=one_of("raw", raw, (True, False)), known_from=sources)
