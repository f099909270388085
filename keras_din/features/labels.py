"""The labels of a sample: what a model predicts, and the names of its outputs."""

import dataclasses

from keras_din.features.names import check_name, check_unique

DEFAULT_LABEL, DEFAULT_OUTPUT = "click", "ctr"
RESERVED_OUTPUTS = ("order",)  # Beside the outputs of the model in the signature `rank`.


@dataclasses.dataclass(frozen=True)
class Label:
    """Something that happens with a candidate or not, and that a model predicts.

    Args:
        name: Name of the label in samples: `"click"`, `"purchase"`.
        output: Name of the model's output that is its probability: `"ctr"`, `"cvr"`. Defaults to
            `"ctr"` for the label `"click"`, and to the name of any other label.

    Raises:
        ValueError: When a name is not one that TensorFlow takes.
    """

    name: str = DEFAULT_LABEL
    output: str | None = None

    def __post_init__(self):
        check_name("Label", self.name)
        if self.output is None:
            output = DEFAULT_OUTPUT if self.name == DEFAULT_LABEL else self.name
            object.__setattr__(self, "output", output)
        check_name("label's output", self.output)
        if self.output in RESERVED_OUTPUTS:
            raise ValueError(
                f"The output of Label {self.name!r} must have another name than the places of the "
                f"candidates, which a served version answers too. Received: output={self.output!r}."
            )

    def __repr__(self):
        return f"Label({self.name!r}, output={self.output!r})"


DEFAULT_LABELS = (Label(),)


def label_tuple(owner: str, values) -> tuple:
    """Labels, or names of labels, as a tuple of `Label` objects with names that differ."""
    if isinstance(values, (str, Label)):
        values = (values,)
    if not isinstance(values, (list, tuple)) or not values:
        raise ValueError(
            f"`labels` of {owner} must be a list of `Label` objects, at least one. "
            f"Received: labels={values!r}."
        )
    labels = tuple(Label(value) if isinstance(value, str) else value for value in values)
    for label in labels:
        if not isinstance(label, Label):
            raise ValueError(
                f"`labels` of {owner} must hold `Label` objects or names. Received: {label!r}."
            )
    check_unique("the labels", [label.name for label in labels])
    check_unique("the model's outputs", [label.output.lower() for label in labels])
    return labels
