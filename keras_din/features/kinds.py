"""The kinds of features."""

from collections.abc import Sequence as SequenceOf

from keras_din.features.bag import Bag
from keras_din.features.categorical import Categorical
from keras_din.features.numeric import Numeric

KINDS = {kind.__name__: kind for kind in (Categorical, Bag, Numeric)}


def as_tuple(owner: str, word: str, values) -> tuple:
    if isinstance(values, str) or not isinstance(values, SequenceOf):
        raise ValueError(f"`{word}` of {owner} must be a list. Received: {word}={values!r}.")
    return tuple(values)


def feature_tuple(owner: str, word: str, values) -> tuple:
    values = as_tuple(owner, word, values)
    for value in values:
        if not isinstance(value, tuple(KINDS.values())):
            raise ValueError(
                f"`{word}` of {owner} must hold `Categorical`, `Bag` and `Numeric` objects. "
                f"Received: {value!r}."
            )
    return values


def feature_to_dict(feature) -> dict:
    if isinstance(feature, Numeric):
        return {
            "type": "Numeric",
            "name": feature.name,
            "mean": feature.mean,
            "std": feature.std,
        }
    entry = {"type": type(feature).__name__, "name": feature.name, "dim": feature.dim}
    if isinstance(feature, Bag):
        entry |= {"pooling": feature.pooling, "max_values": feature.max_values}
    if feature.vocabulary is not None:
        entry["vocabulary"] = list(feature.vocabulary)
    elif feature.hash_buckets is not None:
        entry["hash_buckets"] = feature.hash_buckets
        entry["dtype"] = feature.dtype
    else:
        entry["vocabulary_size"] = feature.vocabulary_size
    return entry
