"""The sets of features, and the data sets to which they are added."""

import keras_din as kd
from examples.loaders.globo import load_globo
from examples.loaders.recut_amazon import load_recut_amazon
from keras_din.data.datasets.movielens import PAPER_SPLIT

DIM = 8
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


SETS = {"ids": ids, "times": times}

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
