"""The lines of the table: the builder of each and its arguments."""

import dataclasses
import inspect

from examples.reproduce import boosted_trees
from keras_din.models import MODELS

_RELU = {"activation": "relu"}
# One hidden layer in the activation unit.
_DIN = {"attention_units": [40]}


@dataclasses.dataclass(frozen=True)
class Entry:
    """A line of the table.

    Args:
        model: Name in `keras_din.models.MODELS`, or `boosted_trees.NAME`.
        options: Arguments of the builder.
        history: Whether the model has the sequences of the spec.
        learning_rate_scale: Factor of the learning rates.
        settings: Settings in place of those of `tuning.settings`, or `None`.
        training: Arguments of `train` for this line alone.
        seeded: Whether the result depends on the seed. Otherwise the model is run once.
    """

    model: str
    options: dict = dataclasses.field(default_factory=dict)
    history: bool = True
    learning_rate_scale: float = 1.0
    settings: tuple | None = None
    training: dict = dataclasses.field(default_factory=dict)
    seeded: bool = True

    @property
    def has_dropout(self) -> bool:
        """Whether the model has a builder with the argument `dropout`."""
        return (
            self.model in MODELS and "dropout" in inspect.signature(MODELS[self.model]).parameters
        )


ENTRIES = {
    # Counted, not trained. `train` chooses its prior strength on validation.
    "popularity": Entry("popularity", settings=({},), seeded=False),
    "boosted_trees": Entry(boosted_trees.NAME, settings=boosted_trees.SETTINGS),
    # A weight per value starts at 0 and shares nothing with others: it needs larger steps.
    "lr": Entry("lr", learning_rate_scale=10.0),
    "no_history": Entry("base", _RELU, history=False),
    "base": Entry("base", _RELU),
    "wide_deep": Entry("wide_deep", _RELU),
    "pnn": Entry("pnn", _RELU),
    "deepfm": Entry("deepfm", _RELU),
    "dcn": Entry("dcn", _RELU),
    "din": Entry("din", _RELU | _DIN),
    "din_dice": Entry("din", {"activation": "dice"} | _DIN),
    "bst": Entry("bst", _RELU),
    "dien": Entry("dien", _RELU),
    "dien_no_auxiliary": Entry("dien", _RELU | {"auxiliary_loss_weight": 0.0}),
}

# (less, more): the order that the paper and its successors claim.
EXPECTED = (
    ("popularity", "no_history"),
    ("popularity", "boosted_trees"),
    ("boosted_trees", "din"),
    ("no_history", "base"),
    ("lr", "base"),
    ("base", "wide_deep"),
    ("base", "pnn"),
    ("base", "deepfm"),
    ("base", "dcn"),
    ("base", "din"),
    ("wide_deep", "din"),
    ("pnn", "din"),
    ("deepfm", "din"),
    ("din", "din_dice"),
    ("din", "bst"),
    ("din", "dien"),
    ("dien", "dien_no_auxiliary"),
)
