"""Globo.com: clicks on news, which live for hours."""

import os

import numpy as np
import pandas as pd

from keras_din.checks import local_path, one_of
from keras_din.data.prepare.interactions import prepare_interactions
from keras_din.data.prepare.prepared_data import PreparedData

_CONTEXT = ("click_environment", "click_deviceGroup", "click_os", "click_region")
_HOUR = 3600


def load_globo(
    folder: str | os.PathLike,
    *,
    negatives: str = "uniform",
    max_length: int = 100,
    dim=32,
    seed: int = 0,
) -> PreparedData:
    """Each user's clicks in order: the last is the test, the one before validation.

    Args:
        folder: Folder with `clicks.parquet`.
        negatives: `"uniform"` over all articles: easy, since most are old news; or `"hour"`:
            drawn as others clicked in the same hour, articles of the user's whole list left out.
        max_length: The most behaviors that a model reads.
        dim: Width of the embeddings, or column -> width.
        seed: Seed of the negatives.

    Returns:
        A `PreparedData` with target `item_id` and `category_id`, context of device and region,
        and the sequence `hist` of what the target has.

    Reference:
        [de Souza Pereira Moreira et al., 2018](https://arxiv.org/abs/1808.00076).
    """
    one_of("negatives", negatives, ("uniform", "hour"))
    columns = ["user_id", "item_id", "category_id", "ts", *_CONTEXT]
    log = pd.read_parquet(local_path("folder", folder) / "clicks.parquet", columns=columns)
    if negatives == "hour":
        log["negative_id"] = hour_negatives(log, np.random.default_rng(seed))
    return prepare_interactions(
        log,
        user="user_id",
        time="ts",
        target=["item_id", "category_id"],
        context=list(_CONTEXT),
        negatives="negative_id" if negatives == "hour" else 1,
        max_length=max_length,
        dim=dim,
        seed=seed,
    )


def hour_negatives(log: pd.DataFrame, rng: np.random.Generator, tries: int = 50) -> np.ndarray:
    """For each click an article that somebody clicked in the same hour and this user never.

    After `tries` draws from the hour, the draw is from all clicks.
    """
    item = log["item_id"].to_numpy(np.int64)
    user = log["user_id"].to_numpy(np.int64)
    hour = log["ts"].to_numpy(np.int64) // _HOUR
    size = int(item.max()) + 1
    met = np.unique(user * size + item)
    order = np.argsort(hour, kind="stable")
    first = np.searchsorted(hour[order], hour, "left")
    count = np.searchsorted(hour[order], hour, "right") - first
    negative = np.zeros(len(item), np.int64)
    open_ = np.arange(len(item))
    for attempt in range(10 * tries):
        if attempt < tries:
            drawn = order[first[open_] + (rng.random(len(open_)) * count[open_]).astype(np.int64)]
        else:
            drawn = rng.integers(len(item), size=len(open_))
        negative[open_] = item[drawn]
        key = user[open_] * size + negative[open_]
        place = np.minimum(np.searchsorted(met, key), len(met) - 1)
        open_ = open_[met[place] == key]
        if not len(open_):
            return negative
    raise ValueError(
        f"A negative must be an article that the user never met. Received: {len(open_)} clicks "
        "for which none was found."
    )
