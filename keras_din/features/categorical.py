"""`Categorical`: a feature with one value from a table of embeddings."""

import dataclasses
from collections.abc import Iterable

from keras_din.features.embedded_feature import EmbeddedFeature
from keras_din.features.kind import Feature, register_kind


@register_kind
@dataclasses.dataclass(frozen=True, init=False, repr=False)
class Categorical(EmbeddedFeature):
    """A feature with one value and a table of embeddings, such as an item or a category.

    Index 0 is padding, index 1 is out-of-vocabulary, and known values start at 2. Exactly one of
    `vocabulary_size`, `vocabulary`, `hash_buckets` and `table` must be given.

    Args:
        name: Name of the feature and of the model's input.
        vocabulary_size: Number of rows of the table, with the two reserved rows. The raw values
            are indices already.
        dim: Width of the embedding. Defaults to 16.
        vocabulary: The known raw values, all strings or all integers: a list, or the path of a
            text file with one value per line. The first value has index 2. With a `capacity`, an
            entry may be `None`: its value was removed, and its row is spare.
        hash_buckets: Number of buckets into which raw values are hashed.
        dtype: Type of the raw values, `"string"` or `"int64"`. Required only for integers in a
            file or with hash buckets.
        capacity: Number of entries of the vocabulary for which the table has rows. It must be at
            least the number of entries. Rows of no entry are spare: `keras_din.grow` can use them
            for new values without another size of the table. Defaults to the entries given.
        shards: Number of variables that the table is split into, so that it can be larger than
            one device; see `keras_din.layers.Embedding`. It is a property of the model, not of the
            data: data and saved models of any number of shards fit. Defaults to 1.
        table: A `Table`, or the name of a table of the same spec, to share the embeddings of
            another feature. It is given without `dim`, `shards` and `dtype`. Without `table` the
            feature has its own table with the feature's name.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    ```python
    item = kd.Categorical("item_id", 63_003, dim=64)  # Raw values are indices.
    segment = kd.Categorical("segment", vocabulary=["new", "loyal"], dim=8)
    device = kd.Categorical("device", hash_buckets=1000)
    user = kd.Categorical("user_id", hash_buckets=10_000_000, dim=16, shards=4)
    first_item = kd.Categorical("first_item", table="item_id")  # Shares the embeddings.
    spec = kd.FeatureSpec(target=[item], context=[segment, device, first_item])
    ```
    """

    marks_padding = True


def id_feature(features: Iterable[Feature]) -> Feature:
    """Returns the first feature that marks padding: index 0 means a padding position."""
    return next(feature for feature in features if feature.marks_padding)
