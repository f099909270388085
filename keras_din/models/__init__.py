"""The models, one per file. `MODELS` maps names to builders."""

from keras_din.models.base import build_base
from keras_din.models.bst import build_bst
from keras_din.models.dcn import build_dcn
from keras_din.models.deepfm import build_deepfm
from keras_din.models.dien import build_dien
from keras_din.models.din import build_din
from keras_din.models.lr import build_lr
from keras_din.models.multi_task import build_multi_task
from keras_din.models.pnn import build_pnn
from keras_din.models.popularity import build_popularity, fit_popularity
from keras_din.models.wide_deep import build_wide_deep

MODELS = {
    "popularity": build_popularity,
    "lr": build_lr,
    "base": build_base,
    "wide_deep": build_wide_deep,
    "pnn": build_pnn,
    "deepfm": build_deepfm,
    "dcn": build_dcn,
    "din": build_din,
    "dien": build_dien,
    "bst": build_bst,
    "multi_task": build_multi_task,
}

__all__ = ["MODELS", "fit_popularity", *(builder.__name__ for builder in MODELS.values())]
