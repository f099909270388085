"""KuaiRand and Globo as logs of impressions by day."""

import pathlib
import zlib

import numpy as np
import pandas as pd

from examples.loaders.globo import CONTEXT, hour_negatives


def kuairand(folder: pathlib.Path) -> tuple:
    """Impressions of short videos: `(logs by day, arguments of prepare_impressions)`."""
    log = pd.read_parquet(folder / "kuairand" / "impressions.parquet")
    log["tag"] = log["tag"].str.split(",").str[0]
    columns = ["user_id", "video_id", "author_id", "tag", "tab", "time_ms", "is_click"]
    logs = [each[columns] for _, each in log.groupby("date")]
    return logs, {
        "user": "user_id",
        "time": "time_ms",
        "label": "is_click",
        "target": ["video_id", "author_id", "tag"],
        "context": ["user_id", "tab"],
    }


def globo(folder: pathlib.Path, every_nth_user: int = 10, days: int = 16) -> tuple:
    """Clicks on news articles, each with one article that was clicked in the same hour.

    Args:
        folder: Folder of the data sets.
        every_nth_user: With 10, a tenth of the users, chosen by a hash of their id.
        days: The number of days. Later days have few clicks.

    Returns:
        See `kuairand`.
    """
    clicks = pd.read_parquet(folder / "globo" / "clicks.parquet")
    hashes = np.array([zlib.crc32(str(user).encode()) for user in clicks["user_id"]])
    clicks = clicks[hashes % every_nth_user == 0].reset_index(drop=True)
    negative = hour_negatives(clicks, np.random.default_rng(0))
    category = clicks.drop_duplicates("item_id").set_index("item_id")["category_id"]
    clicks["click"] = 1
    others = clicks.assign(item_id=negative, click=0)
    others["category_id"] = others["item_id"].map(category)
    log = pd.concat([clicks, others], ignore_index=True)
    columns = ["user_id", "item_id", "category_id", *CONTEXT, "ts", "click"]
    date = pd.to_datetime(log["ts"], unit="s").dt.date
    logs = [each[columns] for _, each in log.groupby(date)]
    return logs[:days], {
        "user": "user_id",
        "time": "ts",
        "label": "click",
        "target": ["item_id", "category_id"],
        "context": list(CONTEXT),
    }


LOGS = {"kuairand": kuairand, "globo": globo}
