"""Conversion of a model's outputs to click rates of the log."""

from typing import NamedTuple

import keras

from keras_din.checks import one_of, positive_number, rate
from keras_din.features import DEFAULT_OUTPUT
from keras_din.layers import Calibration, NumberOutput
from keras_din.losses import BinaryCrossentropy
from keras_din.losses.of_labels import OF_NUMBERS
from keras_din.losses.ranking_loss import RankingLoss
from keras_din.outputs import by_output, like_outputs, loss_of
from keras_din.recalibration import recalibrate_tensor

__all__ = [
    "ASSUMED",
    "CALIBRATED",
    "COMPILED",
    "ClickRates",
    "GIVEN",
    "OutputRate",
    "RANKED",
    "calibration_of",
    "click_rates",
]

GIVEN, COMPILED, ASSUMED, CALIBRATED = "given", "the loss", "assumed", "the calibration"
RANKED = "a loss that ranks"


class OutputRate(NamedTuple):
    """How training changed the odds of one output.

    Attributes:
        positive_weight: Weight of the loss of a positive.
        negative_rate: The fraction of the log's negatives in the training data.
        known_from: The sources of `positive_weight` and `negative_rate`: `"given"`, `"the loss"`,
            `"the run"`, `"assumed"`, or `"the calibration"` of an output that passes a
            `keras_din.layers.Calibration`, which is a click rate of the log already, or
            `"a loss that ranks"` without crossentropy, whose output is no click rate.
        is_number: Whether the output is the expected value of a label that is a number. Then it
            has no odds, and nothing is undone.
    """

    positive_weight: float
    negative_rate: float
    known_from: dict
    is_number: bool = False

    @property
    def factor(self) -> float:
        """The ratio of the model's odds to the odds of the log."""
        return self.positive_weight / self.negative_rate

    @property
    def is_assumed(self) -> bool:
        """Whether a number is neither given nor stored in the model."""
        return ASSUMED in self.known_from.values()


class ClickRates(NamedTuple):
    """How training changed the odds of each output, and whether this is undone.

    Attributes:
        of_outputs: Name of the output -> `OutputRate`.
        raw: Whether the outputs of the model are used without a change.
    """

    of_outputs: dict
    raw: bool

    @property
    def is_assumed(self) -> bool:
        """Whether the conversion of an output depends on an assumption."""
        return not self.raw and any(rate.is_assumed for rate in self.of_outputs.values())

    @property
    def undoes_nothing(self) -> bool:
        """Whether the outputs of the model are click rates already, or `raw` is set."""
        return self.raw or all(rate.factor == 1 for rate in self.of_outputs.values())

    def scales(self, output: str) -> bool:
        """Whether the odds of an output are changed."""
        return not self.raw and self.of_outputs[output].factor != 1

    def model(self, model: keras.Model) -> keras.Model:
        """Returns a model whose outputs are click rates: `model` itself if nothing is undone."""
        if self.undoes_nothing:
            return model
        outputs: dict = {}
        taken: set[str] = set()
        for name, tensor in by_output(model.output, self.of_outputs).items():
            factor = self.of_outputs[name].factor
            outputs[name] = tensor if factor == 1 else recalibrate_tensor(tensor, factor, taken)
        inputs = {tensor.name: tensor for tensor in model.inputs}
        result = keras.Model(inputs, like_outputs(outputs, model.output), name=model.name)
        result.fingerprint = getattr(model, "fingerprint", None)  # Same as in `CTRModel`.
        return result

    def describe(self) -> str:
        """Returns one line per output: its meaning and the assumptions."""
        return "\n".join(_sentence(name, rate, self.raw) for name, rate in self.of_outputs.items())

    def to_json(self) -> dict:
        """Returns the entries of `keras_din.json`, name of the output -> dict."""
        return {
            name: {
                "is": _meaning(rate, self.raw),
                "is_number": rate.is_number,
                "raw": self.raw,
                "positive_weight": rate.positive_weight,
                "negative_rate": rate.negative_rate,
                "known_from": rate.known_from,
            }
            for name, rate in self.of_outputs.items()
        }

    @classmethod
    def from_json(cls, content: dict) -> "ClickRates":
        """Returns the rates from the dict of `to_json`."""
        of_outputs = {
            output: OutputRate(
                entry["positive_weight"],
                entry["negative_rate"],
                entry["known_from"],
                entry.get("is_number", False),
            )
            for output, entry in content.items()
        }
        return cls(of_outputs, any(entry["raw"] for entry in content.values()))


_SCORE = "a score that orders candidates, and no click rate"
_ASSUMED = {
    "positive_weight": "positives counted once in the loss (positive_weight=1)",
    "negative_rate": "training saw all negatives (negative_rate=1)",
}


def _meaning(rate: OutputRate, raw: bool) -> str:
    if rate.is_number:
        return "the expected number"
    if RANKED in rate.known_from.values():
        return _SCORE
    return "the output of the model" if raw else "the click rate of the log"


def _sentence(output: str, rate: OutputRate, raw: bool) -> str:
    if rate.is_number:
        return f"{output}: the expected number"
    if RANKED in rate.known_from.values():
        return f"{output}: {_SCORE}, since the loss has no crossentropy"
    if raw:
        return f"{output}: the output of the model as it is (raw)"
    sentence = f"{output}: the click rate of the log"
    if CALIBRATED in rate.known_from.values():
        return f"{sentence}, calibrated"
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
    """Finds the `ClickRates` of a model: the given numbers, else those of its loss, else 1.

    An output is the expected value of a number, and not a click rate, if it is that of a
    `keras_din.layers.NumberOutput` or has a loss of numbers of this library. The given numbers do
    not apply to it.

    Nothing is undone for an output that is calibrated: `keras_din.calibration.calibrate` has undone
    it in the model.

    Args:
        model: A Keras model.
        positive_weight: The weight of positives in training, or `None`. One number for all
            outputs, or a dict by their names.
        negative_rate: The fraction of negatives in training, or `None`. One number for all outputs,
            or a dict by their names.
        raw: Whether to use the outputs of the model without a change.
        known_from: The source of the given numbers, for `OutputRate.known_from`.
        outputs: Names of the outputs, in order. Defaults to the outputs of the model.

    Raises:
        ValueError: If an argument is invalid, or given for outputs that are numbers only.
    """
    outputs = _output_names(model) if outputs is None else list(outputs)
    given = {"positive_weight": positive_weight, "negative_rate": negative_rate}
    _check_given(model, outputs, given)
    of_outputs = {
        output: _output_rate(model, output, outputs, given, known_from) for output in outputs
    }
    return ClickRates(of_outputs, one_of("raw", raw, (True, False)))


def _check_given(model, outputs: list, given: dict) -> None:
    """Raises a `ValueError` for given numbers of outputs to which they do not apply."""
    rated = tuple(output for output in outputs if not _is_number(model, output))
    for name, value in given.items():
        if not rated and value not in (None, 1):
            raise ValueError(
                f"`{name}` must be 1 for a model whose labels are numbers: it changes the odds of "
                f"labels of 0 and 1. Received: {name}={value!r} for the outputs {outputs}."
            )
        for output in value if isinstance(value, dict) and rated else ():
            one_of(name, output, rated)


def _output_rate(model, output: str, outputs: list, given: dict, known_from) -> OutputRate:
    """Returns how training changed the odds of one output, see `click_rates`."""
    if _is_number(model, output):
        return OutputRate(1.0, 1.0, {}, is_number=True)
    if calibration_of(model, output, outputs) is not None:
        return OutputRate(1.0, 1.0, dict.fromkeys(given, CALIBRATED))
    loss = _binary_crossentropy(model, output, len(outputs))
    is_given = any(value is not None for value in given.values())
    if isinstance(loss, RankingLoss) and not loss.crossentropy and not is_given:
        return OutputRate(1.0, 1.0, dict.fromkeys(given, RANKED))
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
    return OutputRate(values["positive_weight"], values["negative_rate"], sources)


def calibration_of(model, output: str, outputs) -> Calibration | None:
    """Returns the layer that calibrates an output, or `None`.

    Args:
        model: A Keras model.
        output: Name of the output.
        outputs: Names of the outputs. The name of a single output is ignored.
    """
    tensor = getattr(model, "output", None)
    if isinstance(tensor, dict):
        tensor = tensor.get(output if len(list(outputs)) > 1 else next(iter(tensor), None))
    operation = getattr(getattr(tensor, "_keras_history", None), "operation", None)
    return operation if isinstance(operation, Calibration) else None


def _output_names(model) -> list:
    for found in (getattr(model, "output", None), getattr(model, "loss", None)):
        if isinstance(found, dict) and found:
            return list(found)
    return [DEFAULT_OUTPUT]


def _is_number(model, output: str) -> bool:
    """Returns whether an output of a model is the expected value of a number."""
    tensor = getattr(model, "output", None)
    if isinstance(tensor, dict):
        tensor = tensor.get(output)
    layer = getattr(getattr(tensor, "_keras_history", None), "operation", None)
    return isinstance(layer, NumberOutput) or isinstance(
        loss_of(model, output), tuple(OF_NUMBERS.values())
    )


def _binary_crossentropy(model, output: str, outputs: int) -> BinaryCrossentropy | None:
    """Returns the loss of an output if it is a `BinaryCrossentropy` of this library."""
    losses = [loss_of(model, output)]
    if outputs == 1:  # Keras also accepts a list of losses.
        losses = keras.tree.flatten(getattr(model, "loss", None))
    return next((loss for loss in losses if isinstance(loss, BinaryCrossentropy)), None)
