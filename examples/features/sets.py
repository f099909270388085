"""The sets of features, and the data sets to which they are added."""

from typing import NamedTuple

import keras_din as kd
from examples.loaders.globo import load_globo
from examples.loaders.recut_amazon import load_recut_amazon
from keras_din.data.datasets.movielens import PAPER_SPLIT

DIM = 8


class Columns(NamedTuple):
    """The columns of a log that are counted.

    Attributes:
        user: Column of users.
        target: Columns of the candidate with one value per row, the item first.
        label: Column of the label, or `None` for a log of clicks only.
        windows: Windows of the counts.
    """

    user: str
    target: tuple
    label: str | None
    windows: tuple


COLUMNS = {
    "kuairand": Columns("user_id", ("video_id", "author_id", "tag"), "is_click", ("1d", None)),
    "beauty": Columns("user_id", ("item_id", "category"), None, ("90d", None)),
    "sports": Columns("user_id", ("item_id", "category"), None, ("90d", None)),
    "movielens": Columns("user_id", ("movie_id",), "rating", ("1d", None)),
    "globo-hour": Columns("user_id", ("item_id", "category_id"), None, ("1h", "1d", None)),
}
# Data -> time zone of its users.
ZONES = {"kuairand": "Asia/Shanghai", "globo-hour": "America/Sao_Paulo"}


def ids(data: str) -> dict:
    """Nothing is added."""
    return {}


def times(data: str) -> dict:
    """The time since each behavior, and the hour or weekday of request and behaviors.

    The logs with hours have less than three weeks, too few to learn what a weekday changes. The
    Amazon reviews have days, and the ratings of films have years.
    """
    part = "hour_of_day" if data in ZONES else "day_of_week"
    calendar = kd.Calendar(part, dim=DIM, time_zone=ZONES.get(data, "UTC"))
    return {"context": [calendar], "side_features": [kd.Elapsed("ago", dim=DIM), calendar]}


def counts(data: str) -> dict:
    """What the log knew before each row, and matches of the candidate with the history."""
    columns = COLUMNS[data]
    features = {"target": [], "context": [kd.HistorySize("history_size", in_="hist")]}
    for name in columns.target:
        for measure in ("count", "share"):
            match = kd.Match(f"{name}_{measure}", of=name, in_="hist", measure=measure)
            features["target"].append(match)
        for window in columns.windows:
            key = f"{name}_{window or 'all'}"
            features["target"].append(kd.Count(f"{key}_rows", of=name, window=window))
            if columns.label is not None:
                rate = {"event": columns.label, "kind": "rate", "window": window}
                features["target"].append(kd.Count(f"{key}_rate", of=name, **rate))
    item = columns.target[0]
    features["target"].append(kd.Count("item_age", of=item, kind="age"))
    for window in columns.windows:
        key = f"user_{window or 'all'}"
        features["context"].append(kd.Count(f"{key}_rows", of=columns.user, window=window))
        if columns.label is not None:
            rate = {"event": columns.label, "kind": "rate", "window": window}
            features["context"].append(kd.Count(f"{key}_rate", of=columns.user, **rate))
            for name in columns.target[1:]:
                pair = [columns.user, name]
                features["target"].append(kd.Count(f"{key}_{name}_rate", of=pair, **rate))
    return features


def times_and_counts(data: str) -> dict:
    """Both."""
    found = times(data)
    for place, features in counts(data).items():
        found[place] = [*found.get(place, ()), *features]
    return found


SETS = {
    "ids": ids,
    "times": times,
    "counts": counts,
    "times and counts": times_and_counts,
}

LOADERS = {
    "kuairand": lambda folder, features: kd.data.load_kuairand(
        folder / "kuairand", features=features
    ),
    "beauty": lambda folder, features: load_recut_amazon(
        folder / "amazon2014", "beauty", features=features
    ),
    "sports": lambda folder, features: load_recut_amazon(
        folder / "amazon2014", "sports", features=features
    ),
    "movielens": lambda folder, features: kd.data.load_movielens(
        folder / "movielens-small",
        split=kd.data.ByUser(valid=0.1, test=PAPER_SPLIT.test),
        features=features,
    ),
    "globo-hour": lambda folder, features: load_globo(
        folder / "globo", negatives="hour", every_nth_user=10, dim=16, features=features
    ),
}
