"""Click-through-rate models that read a user's behavior history, for Keras 3."""

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from keras_din.version import __version__


def _is_command() -> bool:
    """Whether this process is `keras-din` or `python -m keras_din`."""
    script = (getattr(sys, "argv", None) or [""])[0]
    if script == "-m":  # As long as Python looks for the module that it will run.
        return "keras_din" in sys.orig_argv
    return os.path.splitext(os.path.basename(script))[0] == "keras-din"


# Keras loads a saved model when the classes of its layers have been imported, so `import keras_din`
# imports them. A command imports what it needs itself: Keras and TensorFlow take seconds, and the
# help of a command needs neither.
if not _is_command():
    from keras_din import layers, losses, metrics, models, optimizers
    from keras_din.ctr_model import CTRModel
    from keras_din.features import (
        Bag,
        Bucketized,
        Calendar,
        Categorical,
        Count,
        Elapsed,
        FeatureSpec,
        HistorySize,
        Label,
        LastMatch,
        Match,
        Numeric,
        Position,
        Sequence,
        Table,
        Vector,
    )
    from keras_din.growth import grow
    from keras_din.models import (
        MODELS,
        build_base,
        build_bst,
        build_dcn,
        build_deepfm,
        build_dien,
        build_din,
        build_lr,
        build_multi_task,
        build_pnn,
        build_popularity,
        build_wide_deep,
    )
    from keras_din.with_shards import with_shards
    from keras_din.without_position import without_position

if TYPE_CHECKING:
    from keras_din import (
        calibration,
        data,
        distributed,
        evaluation,
        migrate,
        plots,
        serving,
        training,
    )
    from keras_din.evaluation import Evaluation, evaluate, feature_importance
    from keras_din.serving import export

# Modules that need pandas or TensorFlow are imported when they are first used, so that layers and
# models can be used without them and with any Keras backend.
_LAZY: dict[str, Any] = {
    "Evaluation": "keras_din.evaluation",
    "calibration": None,
    "data": None,
    "distributed": None,
    "evaluate": "keras_din.evaluation",
    "evaluation": None,
    "export": "keras_din.serving",
    "feature_importance": "keras_din.evaluation",
    "migrate": None,
    "plots": None,
    "serving": None,
    "training": None,
}
# In a command all others are too.
_MODULES = ("layers", "losses", "metrics", "models", "optimizers")
_OTHERS = (
    "keras_din.ctr_model",
    "keras_din.features",
    "keras_din.growth",
    "keras_din.models",
    "keras_din.with_shards",
    "keras_din.without_position",
)


def __getattr__(name: str):
    if name not in __all__:
        raise AttributeError(f"module 'keras_din' has no attribute {name!r}")
    if name in _MODULES or _LAZY.get(name, "") is None:
        return importlib.import_module(f"keras_din.{name}")
    modules = map(importlib.import_module, [_LAZY[name]] if name in _LAZY else _OTHERS)
    value = next(getattr(module, name) for module in modules if hasattr(module, name))
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)


__all__ = [
    "__version__",
    "Bag",
    "Bucketized",
    "CTRModel",
    "Calendar",
    "Categorical",
    "Count",
    "Elapsed",
    "Evaluation",
    "FeatureSpec",
    "HistorySize",
    "Label",
    "LastMatch",
    "MODELS",
    "Match",
    "Numeric",
    "Position",
    "Sequence",
    "Table",
    "Vector",
    "build_base",
    "build_bst",
    "build_dcn",
    "build_deepfm",
    "build_dien",
    "build_din",
    "build_lr",
    "build_multi_task",
    "build_pnn",
    "build_popularity",
    "build_wide_deep",
    "calibration",
    "data",
    "distributed",
    "evaluate",
    "evaluation",
    "export",
    "feature_importance",
    "grow",
    "layers",
    "losses",
    "metrics",
    "migrate",
    "models",
    "optimizers",
    "plots",
    "serving",
    "training",
    "with_shards",
    "without_position",
]
