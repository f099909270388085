"""`Label`: a label, the model output that predicts it, and how it is learned."""

import dataclasses
import math
from typing import Any

from keras_din.features.names import check_name, check_unique

DEFAULT_LABEL, DEFAULT_OUTPUT = "click", "ctr"
RESERVED_OUTPUTS = ("order",)  # The signature `rank` returns it besides the outputs.
BINARY_LOSS = "binary_crossentropy"
# Losses of labels that are numbers -> whether these numbers must not be negative.
NUMBER_LOSSES = {"weighted_logistic": True, "poisson": True, "huber": False, "mse": False}


@dataclasses.dataclass(frozen=True)
class Label:
    """A label of a candidate that a model predicts: 0 or 1, or a number.

    Args:
        name: Name of the label in samples, such as `"click"` or `"purchase"`.
        output: Name of the model's output that predicts it, such as `"ctr"` or `"cvr"`. Defaults
            to `"ctr"` for the label `"click"`, and to `name` for other labels.
        loss: `"binary_crossentropy"` for labels of 0 and 1, whose output is a probability. Or the
            loss of a number, whose output is its expected value: `"weighted_logistic"` and
            `"poisson"` for numbers that are not negative, such as seconds watched or counts;
            `"huber"` and `"mse"` for any numbers. With `"weighted_logistic"` the output is too
            high unless nearly all numbers are 0, see `keras_din.losses.WeightedLogistic`.
        weight: Weight of the label's loss in the loss of the model, positive.
        given: Name of another label, without which this one cannot be 1, such as `"click"` for
            `"purchase"`. The output is then the product of the output of `given` and of a
            factor, `p(purchase) = p(click) p(purchase | click)`, and is learned from all rows.
            Both labels must be binary. In the words of ESMM, the output is pCTCVR, and the factor
            is pCVR. An exported version also returns the factor, named by both outputs, such as
            `"cvr_given_ctr"`. To learn purchases from clicked rows alone, set them to null in all
            other rows, and leave out `given`.
        delta: For `loss="huber"`: the error above which the loss is linear, in units of the label,
            such as 30 for seconds. See `keras_din.losses.Huber`.

    Raises:
        ValueError: If a name is not valid in TensorFlow, or another argument is invalid.

    Example:

    ```python
    labels = [kd.Label("click"), kd.Label("purchase", output="cvr", given="click")]
    spec = kd.FeatureSpec(target=[kd.Categorical("item_id", 100)], labels=labels)
    spec.outputs  # ("ctr", "cvr")
    ```
    """

    name: str = DEFAULT_LABEL
    output: str | None = None
    _: dataclasses.KW_ONLY
    loss: str = BINARY_LOSS
    weight: float = 1.0
    given: str | None = None
    delta: float = 1.0

    def __post_init__(self):
        check_name("Label", self.name)
        if self.output is None:
            output = DEFAULT_OUTPUT if self.name == DEFAULT_LABEL else self.name
            object.__setattr__(self, "output", output)
        check_name("label's output", self.output)
        if self.output in RESERVED_OUTPUTS:
            raise ValueError(
                f"`output` of Label {self.name!r} must not be 'order', the name of the order of "
                f"the candidates in exported versions. Received: output={self.output!r}."
            )
        if self.loss not in (BINARY_LOSS, *NUMBER_LOSSES):
            raise ValueError(
                f"`loss` of Label {self.name!r} must be one of {[BINARY_LOSS, *NUMBER_LOSSES]}. "
                f"Received: loss={self.loss!r}."
            )
        if not _is_positive(self.weight):
            raise ValueError(
                f"`weight` of Label {self.name!r} must be a positive number. To leave out a label, "
                f"leave it out of the spec. Received: weight={self.weight!r}."
            )
        object.__setattr__(self, "weight", float(self.weight))
        if not _is_positive(self.delta):
            raise ValueError(
                f"`delta` of Label {self.name!r} must be a positive number. "
                f"Received: delta={self.delta!r}."
            )
        object.__setattr__(self, "delta", float(self.delta))
        if self.delta != 1 and self.loss != "huber":
            raise ValueError(
                f"`delta` of Label {self.name!r} must be given with loss='huber', whose argument "
                f"it is. Received: delta={self.delta!r} and loss={self.loss!r}."
            )
        if self.given is not None:
            check_name("label", self.given)

    @property
    def is_binary(self) -> bool:
        """Whether the label is 0 or 1 and its output a probability."""
        return self.loss == BINARY_LOSS

    @property
    def is_not_negative(self) -> bool:
        """Whether the label must not be negative."""
        return self.is_binary or NUMBER_LOSSES[self.loss]

    def to_dict(self) -> dict:
        """Returns the fields as JSON values, without those that have their default."""
        given = {name: getattr(self, name) for name in ("name", "output")}
        return given | self.options

    @property
    def options(self) -> dict:
        """The fields `loss`, `weight`, `given` and `delta` that differ from their defaults."""
        fields = dataclasses.fields(self)[2:]
        values = {field.name: getattr(self, field.name) for field in fields}
        return {f.name: values[f.name] for f in fields if values[f.name] != f.default}

    def __repr__(self):
        options = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return f"Label({self.name!r}, output={self.output!r}{options})"


def _is_positive(value) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and 0 < value < math.inf


DEFAULT_LABELS = (Label(),)


def label_tuple(owner: str, values: Any) -> tuple[Label, ...]:
    """Returns labels, or names of labels, as a tuple of `Label` objects with unique names."""
    if isinstance(values, (str, Label)):
        values = (values,)
    if not isinstance(values, (list, tuple)) or not values:
        raise ValueError(
            f"`labels` of {owner} must be a list of `Label` objects, with at least one. "
            f"Received: labels={values!r}."
        )
    labels = tuple(Label(value) if isinstance(value, str) else value for value in values)
    for label in labels:
        if not isinstance(label, Label):
            raise ValueError(
                f"`labels` of {owner} must contain `Label` objects or names. Received: {label!r}."
            )
    check_unique("the labels", [label.name for label in labels])
    check_unique("the model's outputs", [str(label.output).lower() for label in labels])
    _check_given(labels)
    names = [*(str(label.output) for label in labels), *factors_of(labels)]
    check_unique("the model's outputs and factors", [name.lower() for name in names])
    return labels


def factors_of(labels: tuple[Label, ...]) -> dict[str, Label]:
    """Returns the factors of the labels that are given another: name of the factor -> label.

    The name has both outputs, such as `"cvr_given_ctr"`.
    """
    outputs = {label.name: label.output for label in labels}
    return {
        f"{label.output}_given_{outputs[label.given]}": label
        for label in labels
        if label.given is not None
    }


def _check_given(labels: tuple[Label, ...]) -> None:
    """Raises a `ValueError` if the label that another is given is missing, no probability, or
    depends on that label.
    """
    by_name = {label.name: label for label in labels}
    for label in labels:
        if label.given is None:
            continue
        if label.given not in by_name:
            raise ValueError(
                f"`given` of Label {label.name!r} must be the name of another label, "
                f"{[name for name in by_name if name != label.name]}. "
                f"Received: given={label.given!r}."
            )
        for each in (label, by_name[label.given]):
            if not each.is_binary:
                raise ValueError(
                    f"`given` of Label {label.name!r} requires two labels of 0 and 1. "
                    f"Received: loss={each.loss!r} of Label {each.name!r}."
                )
        chain = [label.name]
        while (before := by_name[chain[-1]].given) in by_name:
            chain.append(str(before))
            if before in chain[:-1]:
                raise ValueError(
                    "`given` must not lead back to the same label. "
                    f"Received: {' given '.join(map(repr, chain))}."
                )
