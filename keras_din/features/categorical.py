"""A feature of one value with a table of embeddings."""

import dataclasses

from keras_din.features.embedded_feature import EmbeddedFeature


@dataclasses.dataclass(frozen=True, repr=False)
class Categorical(EmbeddedFeature):
    """A feature of one value, with a table of embeddings: an item, a category, a user segment.

    Index 0 is padding, 1 is out-of-vocabulary, known values start at 2. Say in exactly one of
    three ways which values there are. The same object wherever it stands in a spec means the
    same table.

    Args:
        name: Name of the feature, and of the model's input.
        vocabulary_size: Rows of the table, with the two reserved ones. The raw values are
            indices already.
        dim: Width of the embedding.
        vocabulary: The known raw values, all strings or all integers, in memory or as the path
            of a text file with one value a line. The first has index 2.
        hash_buckets: Number of buckets that raw values are hashed into.
        dtype: `"string"` or `"int64"`, the type of the raw values. Needed only for integer
            values in a file or in hash buckets.

    Raises:
        ValueError: When one of these does not hold, when the object is built.
    """


def id_feature(features) -> Categorical:
    """The feature of the candidates, or of the behaviors, whose padding value is padding."""
    return next(feature for feature in features if isinstance(feature, Categorical))
