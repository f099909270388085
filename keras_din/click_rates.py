"""Whether a model's outputs are click rates of the log, and the model whose outputs are."""

from typing import NamedTuple

import keras

from keras_din.checks import one_of, positive_number, rate
from keras_din.features import DEFAULT_OUTPUT
from keras_din.losses import BinaryCrossentropy
from keras_din.outputs import by_output, like_outputs, loss_of
from keras_din.recalibration import recalibrate_tensor

GIVEN, COMPILED, ASSUMED = "given", "the loss", "assumed"


class OutputRate(NamedTuple):
    """What training did to the odds of one output.

    Attributes:
        positive_weight: How much more the loss of a positive counted.
        negative_rate: The fraction of the log's negatives that training saw.
        known_from: `positive_weight` and `negative_rate` -> `"given"`, `"the loss"`,
            `"the run"` or `"assumed"`.
    """

    positive_weight: float
    negative_rate: float
    known_from: dict

    @property
    def factor(self) -> float:
        """How many times as high as in the log the odds are that the model learned."""
        return self.positive_weight / self.negative_rate

    @property
    def is_assumed(self) -> bool:
        """Whether a number is neither given nor known of the model."""
        return ASSUMED in self.known_from.values()


class ClickRates(NamedTuple):
    """What training did to the odds of each output, and whether it is undone.

    Attributes:
        of_outputs: Name of the output -> `OutputRate`.
        raw: Whether each output is what the model answers, and nothing is undone.
    """

    of_outputs: dict
    raw: bool

    @property
    def is_assumed(self) -> bool:
        """Whether something is undone, or left as it is, by an assumption."""
        return not self.raw and any(rate.is_assumed for rate in self.of_outputs.values())

    @property
    def undoes_nothing(self) -> bool:
        return self.raw or all(rate.factor == 1 for rate in self.of_outputs.values())

    def model(self, model: keras.Model) -> keras.Model:
        """The model whose outputs are click rates: `model` itself where nothing is to be undone."""
        if self.undoes_nothing:
            return model
        outputs, taken = {}, set()
        for name, tensor in by_output(model.output, self.of_outputs).items():
            factor = self.of_outputs[name].factor
            outputs[name] = tensor if factor == 1 else recalibrate_tensor(tensor, factor, taken)
        inputs = {tensor.name: tensor for tensor in model.inputs}
        result = keras.Model(inputs, like_outputs(outputs, model.output), name=model.name)
        result.fingerprint = getattr(model, "fingerprint", None)  # Same as in `CTRModel`.
        return result

    def describe(self) -> str:
        """One line per output: what it is and what is assumed of it."""
        return "\n".join(_sentence(name, rate, self.raw) for name, rate in self.of_outputs.items())

    def to_json(self) -> dict:
        """Name of the output -> what stands in `keras_din.json` about it."""
        return {
            name: {
                "is": "the output of the model" if self.raw else "the click rate of the log",
                "raw": self.raw,
                "positive_weight": rate.positive_weight,
                "negative_rate": rate.negative_rate,
                "known_from": rate.known_from,
            }
            for name, rate in self.of_outputs.items()
        }

    @classmethod
    def from_json(cls, content: dict) -> "ClickRates":
        """The rates that `to_json` wrote."""
        names = ("positive_weight", "negative_rate", "known_from")
        of_outputs = {
            output: OutputRate(*(entry[name] for name in names))
            for output, entry in content.items()
        }
        return cls(of_outputs, any(entry["raw"] for entry in content.values()))


_ASSUMED = {
    "positive_weight": "positives counted once in the loss (positive_weight=1)",
    "negative_rate": "training saw all negatives (negative_rate=1)",
}


def _sentence(output: str, rate: OutputRate, raw: bool) -> str:
    if raw:
        return f"{output}: the output of the model as it is (raw)"
    sentence = f"{output}: the click rate of the log"
    undone = [
        f"{name}={getattr(rate, name):g}" for name in rate.known_from if getattr(rate, name) != 1
    ]
    if undone:
        sentence += f", the model's output with {' and '.join(undone)} undone"
    return sentence + "".join(
        f"; assumed: {_ASSUMED[name]}"
        for name, source in rate.known_from.items()
        if source == ASSUMED
    )


def click_rates(
    model,
    positive_weight=None,
    negative_rate=None,
    raw: bool = False,
    known_from=GIVEN,
    outputs=None,
) -> ClickRates:
    """What is known of each output: what is given, else what its compiled loss has, else 1.

    Args:
        model: A Keras model.
        positive_weight: That of its training, or `None`. One number for all outputs, or a dict by
            their names.
        negative_rate: That of its training, or `None`, likewise.
        raw: Whether the outputs shall be those of the model as they are.
        known_from: What to call the source of the two.
        outputs: Names of the outputs, in order. Defaults to those of the model.

    Raises:
        ValueError: When an argument is not as said here.
    """
    outputs = _output_names(model) if outputs is None else list(outputs)
    given = {"positive_weight": positive_weight, "negative_rate": negative_rate}
    for name, value in given.items():
        for output in value if isinstance(value, dict) else ():
            one_of(name, output, tuple(outputs))
    of_outputs = {}
    for output in outputs:
        loss = _binary_crossentropy(model, output, len(outputs))
        values, sources = {}, {}
        for name, check in (("positive_weight", positive_number), ("negative_rate", rate)):
            value, sources[name] = given[name], known_from
            if isinstance(value, dict):
                value = value.get(output)
            if value is None:
                value, sources[name] = getattr(loss, name, None), COMPILED
            if value is None:
                value, sources[name] = 1.0, ASSUMED
            values[name] = check(name, value)
        of_outputs[output] = OutputRate(**values, known_from=sources)
    return ClickRates(of_outputs, one_of("raw", raw, (True, False)))


def _output_names(model) -> list:
    for found in (getattr(model, "output", None), getattr(model, "loss", None)):
        if isinstance(found, dict) and found:
            return list(found)
    return [DEFAULT_OUTPUT]


def _binary_crossentropy(model, output: str, outputs: int) -> BinaryCrossentropy | None:
    """The loss of an output where it is this library's, which has the two numbers."""
    losses = [loss_of(model, output)]
    if outputs == 1:  # Keras takes a list of losses too.
        losses = keras.tree.flatten(getattr(model, "loss", None))
    return next((loss for loss in losses if isinstance(loss, BinaryCrossentropy)), None)
