"""Loads KuaiRand: impressions of short videos with clicks."""

import os
import pathlib

import pandas as pd

from keras_din.checks import local_path
from keras_din.data.datasets.further_features import with_features
from keras_din.data.prepare.impressions import prepare_impressions
from keras_din.data.prepare.label_columns import label_columns
from keras_din.data.prepare.prepared_data import PreparedData

__all__ = ["load_kuairand"]

FOLDER = pathlib.Path(__file__).parent / "kuairand_slice"
_DATES = {
    "train": (20220425, 20220503),
    "valid": (20220504, 20220504),
    "test": (20220505, 20220506),
}


def load_kuairand(
    folder: str | os.PathLike | None = None,
    *,
    label: str | list | dict = "is_click",
    user_id: bool = True,
    max_length: int = 100,
    dim: int | dict[str, int] = 16,
    min_count: int = 1,
    features: dict | None = None,
) -> PreparedData:
    """Loads the log of a video feed: train until 3 May 2022, valid on 4 May, test on 5 and 6 May.

    A history consists of the user's long-watched videos before 25 April, then their clicks (or
    long views, see `label`) before the impression. With several labels the first one counts.

    Args:
        folder: Folder with `impressions.parquet`, `history.parquet` and `videos.parquet`.
            Defaults to the slice of the data in the package.
        label: Column of 0 and 1: `"is_click"` or `"long_view"`. Or several labels, same as in
            `prepare_impressions`, such as `{"click": "is_click", "long_view": "long_view"}`.
        user_id: Whether the user's id is a context feature.
        max_length: The largest number of behaviors that a model reads.
        dim: Width of the embeddings, or column -> width.
        min_count: How often a value must occur in training to have its own embedding.
        features: Further features, such as `{"side_features": [kd.Elapsed("ago")]}`: a dict of
            `"target"`, `"context"`, `"side_features"` and `"vectors"`, same as in
            `prepare_impressions`.

    Returns:
        A `PreparedData` with target `video_id`, `author_id` and `tag` (the first tag), context
        `tab` and, with `user_id=True`, `user_id`, and the sequence `hist` of the target features.

    Example:

    ```python
    data = kd.data.load_kuairand(dim=8, max_length=20)
    batches = data.dataset("train", batch_size=256)
    ```

    Reference:
        [Gao et al., 2022](https://arxiv.org/abs/2208.08696). CC BY-SA 4.0.
    """
    folder = FOLDER if folder is None else local_path("folder", folder)
    log = pd.read_parquet(folder / "impressions.parquet")
    watched = pd.read_parquet(folder / "history.parquet")[["user_id", "long_watched"]]
    watched = watched.explode("long_watched").dropna().rename(columns={"long_watched": "video_id"})
    watched["video_id"] = watched["video_id"].astype("int64")
    log["part"] = "none"
    for part, (first, last) in _DATES.items():
        log.loc[log["date"].between(first, last), "part"] = part
    videos = pd.read_parquet(folder / "videos.parquet")[["video_id", "author_id", "tag"]]
    videos["tag"] = videos["tag"].str.split(",").str[0]
    return prepare_impressions(
        log[["user_id", "video_id", "time_ms", "tab", "part", *label_columns(label).values()]],
        user="user_id",
        time="time_ms",
        label=label,
        **with_features(
            features,
            target=["video_id", "author_id", "tag"],
            context=["user_id", "tab"] if user_id else ["tab"],
        ),
        prior_history={"hist": watched},
        items=videos,
        split="part",
        max_length=max_length,
        dim=dim,
        min_count=min_count,
    )
