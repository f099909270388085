"""A feature of one value with a table of embeddings."""

import dataclasses

from keras_din.features.embedded_feature import EmbeddedFeature
from keras_din.features.kind import register_kind


@register_kind
@dataclasses.dataclass(frozen=True, init=False, repr=False)
class Categorical(EmbeddedFeature):
    """A feature of one value, with a table of embeddings: an item, a category, a user segment.

    Index 0 is padding, 1 is out-of-vocabulary, known values start at 2. Exactly one of three
    arguments says which values there are. Instead of these and of `dim`, `table` names a table
    that another feature has too.

    Args:
        name: Name of the feature, and of the model's input.
        vocabulary_size: Rows of the table, with the two reserved ones. The raw values are
            indices already.
        dim: Width of the embedding. Defaults to 16.
        vocabulary: The known raw values, all strings or all integers, in memory or as the path
            of a text file with one value per line. The first has index 2.
        hash_buckets: Number of buckets that raw values are hashed into.
        dtype: `"string"` or `"int64"`, the type of the raw values. Required only for integer
            values in a file or in hash buckets.
        table: A `Table`, or the name of a table of the same spec. A feature that is given without
            `table` has a table of its own, which has the feature's name.

    Raises:
        ValueError: When one of these does not hold, when the object is built.
    """

    marks_padding = True


def id_feature(features):
    """The feature whose padding value marks a candidate, or a behavior, as padding."""
    return next(feature for feature in features if feature.marks_padding)
