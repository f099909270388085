"""`Label`: the name of a label and of the model output that predicts it."""

import dataclasses
from typing import Any

from keras_din.features.names import check_name, check_unique

DEFAULT_LABEL, DEFAULT_OUTPUT = "click", "ctr"
RESERVED_OUTPUTS = ("order",)  # The signature `rank` returns it besides the outputs.


@dataclasses.dataclass(frozen=True)
class Label:
    """A binary label of a candidate that a model predicts.

    Args:
        name: Name of the label in samples, such as `"click"` or `"purchase"`.
        output: Name of the model's output that predicts its probability, such as `"ctr"` or
            `"cvr"`. Defaults to `"ctr"` for the label `"click"`, and to `name` for other labels.

    Raises:
        ValueError: If a name is not valid in TensorFlow.

    Example:

    ```python
    labels = [kd.Label("click"), kd.Label("purchase", output="cvr")]
    spec = kd.FeatureSpec(target=[kd.Categorical("item_id", 100)], labels=labels)
    spec.outputs  # ("ctr", "cvr")
    ```
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
                f"`output` of Label {self.name!r} must not be 'order', the name of the order of "
                f"the candidates in exported versions. Received: output={self.output!r}."
            )

    def __repr__(self):
        return f"Label({self.name!r}, output={self.output!r})"


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
    return labels
