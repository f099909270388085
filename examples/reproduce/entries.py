"""The lines of the table: which builder of the zoo each is, and what it is told."""

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
        faster: What learning rates are multiplied by.
        settings: The settings that it tries in place of those of `tuning.settings`, or `None`.
        seeded: Whether the seed changes what comes out. Without it the model is run once.
    """

    model: str
    options: dict = dataclasses.field(default_factory=dict)
    history: bool = True
    faster: float = 1.0
    settings: tuple | None = None
    seeded: bool = True

    @property
    def has_dropout(self) -> bool:
        """Whether there is a builder that takes `dropout`."""
        return (
            self.model in MODELS and "dropout" in inspect.signature(MODELS[self.model]).parameters
        )


ENTRIES = {
    # Counted: `train` chooses its prior strength on validation.
    "popularity": Entry("popularity", settings=({},), seeded=False),
    "boosted_trees": Entry(boosted_trees.NAME, settings=boosted_trees.SETTINGS),
    # One number a value starts at 0 and has nothing to share: it learns by larger steps.
    "lr": Entry("lr", faster=10.0),
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

# (less, more): what the paper and those after it expect.
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
