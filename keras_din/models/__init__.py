"""The zoo: one model a file."""

from keras_din.models.base import build_base
from keras_din.models.din import build_din
from keras_din.models.popularity import build_popularity

MODELS = {
    "popularity": build_popularity,
    "base": build_base,
    "din": build_din,
}

__all__ = ["MODELS", *(builder.__name__ for builder in MODELS.values())]
