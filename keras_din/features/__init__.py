"""The features of a sample, as frozen dataclasses."""

from keras_din.features.bag import POOLINGS, Bag
from keras_din.features.categorical import Categorical, id_feature
from keras_din.features.embedded_feature import (
    MISSING_INT64,
    EmbeddedFeature,
    missing_value,
    padding_value,
)
from keras_din.features.labels import DEFAULT_LABEL, DEFAULT_OUTPUT, Label
from keras_din.features.numeric import Numeric
from keras_din.features.reserved_indices import NUM_RESERVED, OOV_INDEX, PADDING_INDEX
from keras_din.features.sequence import Sequence
from keras_din.features.spec import FeatureSpec, InputInfo

__all__ = [
    "DEFAULT_LABEL",
    "DEFAULT_OUTPUT",
    "MISSING_INT64",
    "NUM_RESERVED",
    "OOV_INDEX",
    "PADDING_INDEX",
    "POOLINGS",
    "Bag",
    "Categorical",
    "EmbeddedFeature",
    "FeatureSpec",
    "InputInfo",
    "Label",
    "Numeric",
    "Sequence",
    "id_feature",
    "missing_value",
    "padding_value",
]
