"""Click-through-rate models that read a user's behaviour history, for Keras 3."""

import importlib

from keras_din import layers, losses, metrics, models, optimizers
from keras_din.feature_spec import Bag, Categorical, FeatureSpec, Numeric, Sequence
from keras_din.models import (
    MODELS,
    build_base,
    build_bst,
    build_dcn,
    build_deepfm,
    build_dien,
    build_din,
    build_lr,
    build_pnn,
    build_popularity,
    build_wide_deep,
)
from keras_din.version import __version__

# Rooms that need pandas or TensorFlow: opened when first asked for, so that layers and models
# can be used without them and with any Keras backend.
_LAZY = {
    "Evaluation": "keras_din.evaluation",
    "data": None,
    "evaluate": "keras_din.evaluation",
    "export": "keras_din.serving",
    "plots": None,
}


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module 'keras_din' has no attribute {name!r}")
    if _LAZY[name] is None:
        return importlib.import_module(f"keras_din.{name}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)


__all__ = [
    "__version__",
    "Bag",
    "Categorical",
    "Evaluation",
    "FeatureSpec",
    "MODELS",
    "Numeric",
    "Sequence",
    "build_base",
    "build_bst",
    "build_dcn",
    "build_deepfm",
    "build_dien",
    "build_din",
    "build_lr",
    "build_pnn",
    "build_popularity",
    "build_wide_deep",
    "data",
    "evaluate",
    "export",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "plots",
]
