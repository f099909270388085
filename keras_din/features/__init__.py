"""Features, labels and the spec of a sample, as frozen dataclasses."""

from keras_din.features.bag import POOLINGS, Bag
from keras_din.features.bag_weights import BagWeights, check_weight_names
from keras_din.features.bucketized import Bucketized
from keras_din.features.calendar import Calendar, calendar_part
from keras_din.features.categorical import Categorical, id_feature
from keras_din.features.count import COUNT_KINDS, ROW, Count
from keras_din.features.elapsed import Elapsed
from keras_din.features.embedded_feature import EmbeddedFeature
from keras_din.features.feature_entry import (
    IN,
    PLACES,
    feature_from_entry,
    is_entry,
    places_of_entry,
)
from keras_din.features.float32 import LARGEST, SMALLEST
from keras_din.features.history_feature import HistoryFeature
from keras_din.features.history_size import HistorySize
from keras_din.features.kind import KINDS, Feature, per_kind, register_kind
from keras_din.features.labels import DEFAULT_LABEL, DEFAULT_OUTPUT, Label
from keras_din.features.last_match import LastMatch
from keras_din.features.match import Match
from keras_din.features.numeric import Numeric
from keras_din.features.position import Position
from keras_din.features.reserved_indices import NUM_RESERVED, OOV_INDEX, PADDING_INDEX
from keras_din.features.sequence import Sequence
from keras_din.features.snapshot_count import SnapshotCount
from keras_din.features.spec import FeatureSpec, InputInfo
from keras_din.features.table import Table
from keras_din.features.time_feature import (
    NO_TIME,
    TIME,
    TIME_UNITS,
    TimeFeature,
    Timestamp,
)
from keras_din.features.values import MISSING_INT64, HashBuckets, Indices, Values, Vocabulary
from keras_din.features.vector import Vector
from keras_din.features.vector_table import VectorTable

__all__ = [
    "COUNT_KINDS",
    "DEFAULT_LABEL",
    "DEFAULT_OUTPUT",
    "IN",
    "KINDS",
    "LARGEST",
    "MISSING_INT64",
    "NO_TIME",
    "NUM_RESERVED",
    "OOV_INDEX",
    "PADDING_INDEX",
    "PLACES",
    "POOLINGS",
    "ROW",
    "SMALLEST",
    "TIME",
    "TIME_UNITS",
    "Bag",
    "BagWeights",
    "Bucketized",
    "Calendar",
    "Categorical",
    "Count",
    "Elapsed",
    "EmbeddedFeature",
    "Feature",
    "FeatureSpec",
    "HashBuckets",
    "HistoryFeature",
    "HistorySize",
    "Indices",
    "InputInfo",
    "Label",
    "LastMatch",
    "Match",
    "Numeric",
    "Position",
    "Sequence",
    "SnapshotCount",
    "Table",
    "TimeFeature",
    "Timestamp",
    "Values",
    "Vector",
    "VectorTable",
    "Vocabulary",
    "calendar_part",
    "check_weight_names",
    "feature_from_entry",
    "id_feature",
    "is_entry",
    "per_kind",
    "places_of_entry",
    "register_kind",
]
