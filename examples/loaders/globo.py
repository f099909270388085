"""Globo.com: clicks on news articles, which are read for hours."""

import os
import zlib

import numpy as np
import pandas as pd

from keras_din.checks import local_path, one_of
from keras_din.data import PreparedData, prepare_interactions
from keras_din.data.datasets.further_features import with_features

CONTEXT = ("click_environment", "click_deviceGroup", "click_os", "click_region")
_SECONDS_PER_HOUR = 3600


def load_globo(
    folder: str | os.PathLike,
    *,
    negatives: str = "uniform",
    every_nth_user: int = 1,
    max_length: int = 100,
    dim=32,
    seed: int = 0,
    features: dict | None = None,
) -> PreparedData:
    """Loads each user's clicks in order: the last is the test, the one before is validation.

    Args:
        folder: Folder with `clicks.parquet`.
        negatives: `"uniform"` draws from all articles, which is easy, since most are old news.
            `"hour"` draws from the clicks of others in the same hour and leaves out all articles
            that the user clicked.
        every_nth_user: With 10, a tenth of the users, chosen by a hash of their id.
        max_length: The most behaviors that a model reads.
        dim: Width of the embeddings, or column -> width.
        seed: Seed of the negatives.
        features: Further features, such as `{"side_features": [kd.Elapsed("ago")]}`: a dict of
            `"target"`, `"context"` and `"side_features"`, same as in `prepare_interactions`.

    Returns:
        A `PreparedData` with target `item_id` and `category_id`, context of device and region,
        and the sequence `hist` of the target's features.

    Reference:
        [de Souza Pereira Moreira et al., 2018](https://arxiv.org/abs/1808.00076).
    """
    one_of("negatives", negatives, ("uniform", "hour"))
    columns = ["user_id", "item_id", "category_id", "ts", *CONTEXT]
    log = pd.read_parquet(local_path("folder", folder) / "clicks.parquet", columns=columns)
    if every_nth_user > 1:
        hashes = [zlib.crc32(str(user).encode()) for user in log["user_id"]]
        log = log[np.array(hashes) % every_nth_user == 0].reset_index(drop=True)
    if negatives == "hour":
        log["negative_id"] = hour_negatives(log, np.random.default_rng(seed))
    return prepare_interactions(
        log,
        user="user_id",
        time="ts",
        **with_features(features, target=["item_id", "category_id"], context=list(CONTEXT)),
        negatives="negative_id" if negatives == "hour" else 1,
        max_length=max_length,
        dim=dim,
        seed=seed,
    )


def hour_negatives(log: pd.DataFrame, rng: np.random.Generator, tries: int = 50) -> np.ndarray:
    """Draws for each click an article that was clicked in the same hour, and never by this user.

    After `tries` draws from the clicks of the hour, the draws are from all clicks.
    """
    item = log["item_id"].to_numpy(np.int64)
    user = log["user_id"].to_numpy(np.int64)
    hour = log["ts"].to_numpy(np.int64) // _SECONDS_PER_HOUR
    size = int(item.max()) + 1
    clicked = np.unique(user * size + item)
    order = np.argsort(hour, kind="stable")
    first = np.searchsorted(hour[order], hour, "left")
    count = np.searchsorted(hour[order], hour, "right") - first
    negative = np.zeros(len(item), np.int64)
    missing = np.arange(len(item))  # Clicks without a negative so far.
    for attempt in range(10 * tries):
        if attempt < tries:
            place = (rng.random(len(missing)) * count[missing]).astype(np.int64)
            drawn = order[first[missing] + place]
        else:
            drawn = rng.integers(len(item), size=len(missing))
        negative[missing] = item[drawn]
        key = user[missing] * size + negative[missing]
        place = np.minimum(np.searchsorted(clicked, key), len(clicked) - 1)
        missing = missing[clicked[place] == key]
        if not len(missing):
            return negative
    raise ValueError(
        "A negative must be an article that the user never clicked. "
        f"Received: {len(missing)} clicks for which none was found."
    )
