"""Amazon reviews of 2014 from Parquet files, with the protocol of the DIN paper."""

import os

import pandas as pd

from keras_din.checks import local_path
from keras_din.data import PreparedData, prepare_interactions
from keras_din.data.datasets.further_features import with_features


def load_recut_amazon(
    folder: str | os.PathLike,
    category: str = "beauty",
    *,
    given_negatives: bool = True,
    max_length: int = 100,
    dim=16,
    seed: int = 0,
    features: dict | None = None,
) -> PreparedData:
    """Loads each user's reviews in order: the last is the test, the one before is validation.

    Times are whole days. Among reviews of one day the order of the log decides.

    Args:
        folder: Folder with `{category}_reviews.parquet` (`user_id, item_id, ts`),
            `{category}_items.parquet` (`item_id, category`) and, if `given_negatives`,
            `{category}_negatives.parquet` (`user_id, position, negative_id`).
        category: First part of the file names, such as `"beauty"` or `"sports"`.
        given_negatives: Whether the negatives are those of the file. Otherwise they are drawn.
        max_length: The most behaviors that a model reads.
        dim: Width of the embeddings, or column -> width.
        seed: Seed of drawn negatives.
        features: Further features, such as `{"side_features": [kd.Elapsed("ago")]}`: a dict of
            `"target"`, `"context"` and `"side_features"`, same as in `prepare_interactions`.

    Returns:
        A `PreparedData` with target `item_id` and `category` and the sequence `hist` of both.

    Reference:
        [He and McAuley, 2016](https://arxiv.org/abs/1602.01585);
        [Zhou et al., 2018](https://arxiv.org/abs/1706.06978), Sec. 6.1, for the protocol.
    """
    folder = local_path("folder", folder)
    log = pd.read_parquet(folder / f"{category}_reviews.parquet")
    if given_negatives:
        log["position"] = log.groupby("user_id").cumcount()
        negatives = pd.read_parquet(folder / f"{category}_negatives.parquet")
        log = log.merge(
            negatives[["user_id", "position", "negative_id"]],
            how="left",
            on=["user_id", "position"],
            validate="one_to_one",
        )
    return prepare_interactions(
        log,
        user="user_id",
        time="ts",
        **with_features(features, target=["item_id", "category"]),
        items=pd.read_parquet(folder / f"{category}_items.parquet")[["item_id", "category"]],
        ties="order",
        negatives="negative_id" if given_negatives else 1,
        max_length=max_length,
        dim=dim,
        seed=seed,
    )
