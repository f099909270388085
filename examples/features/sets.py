"""The sets of features, and the data sets to which they are added."""

import pathlib
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse
from sklearn.decomposition import TruncatedSVD

import keras_din as kd
from examples.loaders.globo import load_globo
from examples.loaders.recut_amazon import load_recut_amazon
from keras_din.data.datasets.movielens import PAPER_SPLIT
from keras_din.features import NUM_RESERVED

DIM, SIZE = 8, 32  # Width of embeddings and projections, and of the vectors.


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


def ids(data: str, folder: pathlib.Path) -> dict:
    """Nothing is added."""
    return {}


def times(data: str, folder: pathlib.Path) -> dict:
    """The time since each behavior, and the hour or weekday of request and behaviors.

    The logs with hours have less than three weeks, too few to learn what a weekday changes. The
    Amazon reviews have days, and the ratings of films have years.
    """
    part = "hour_of_day" if data in ZONES else "day_of_week"
    calendar = kd.Calendar(part, dim=DIM, time_zone=ZONES.get(data, "UTC"))
    return {"context": [calendar], "side_features": [kd.Elapsed("ago", dim=DIM), calendar]}


def counts(data: str, folder: pathlib.Path) -> dict:
    """What the log knew of the candidate before each row, and its matches with the history.

    In the logs of clicks only, negatives are drawn from the items that the user never clicked. A
    match or a count of the item would show how they were drawn, so there is neither.
    """
    columns = COLUMNS[data]
    names = columns.target if columns.label is not None else columns.target[1:]
    target = [
        kd.Match(f"{name}_{measure}", of=name, in_="hist", measure=measure)
        for name in names
        for measure in ("count", "share")
    ]
    if columns.label is None:
        return {"target": target}
    target.append(kd.Count("item_age", of=columns.target[0], kind="age"))
    for window in columns.windows:
        rate = {"event": columns.label, "kind": "rate", "window": window}
        for name in names:
            words = f"{name}_{window or 'all'}"
            target.append(kd.Count(f"{words}_rows", of=name, window=window))
            target.append(kd.Count(f"{words}_rate", of=name, **rate))
    return {"target": target}


def user_counts(data: str, folder: pathlib.Path) -> dict:
    """What the log knew of the user before each row. See RESULTS.md: GAUC by user misleads here."""
    columns = COLUMNS[data]
    context = [kd.HistorySize("history_size", in_="hist")]
    for window in columns.windows:
        words = f"user_{window or 'all'}"
        context.append(kd.Count(f"{words}_rows", of=columns.user, window=window))
        if columns.label is not None:
            rate = {"event": columns.label, "kind": "rate", "window": window}
            context.append(kd.Count(f"{words}_rate", of=columns.user, **rate))
    return {"context": context}


def vectors(data: str, folder: pathlib.Path) -> dict:
    """A vector per item from who clicked it in the training part."""
    item = COLUMNS[data].target[0]
    table = item_vectors(LOADERS[data](folder, {}), item)
    feature = kd.Vector("vector", size=SIZE, of=item, project_to=DIM)
    return {"target": [feature], "vectors": {"vector": table}}


def everything(data: str, folder: pathlib.Path) -> dict:
    """Times, counts, matches and vectors."""
    found: dict = {}
    for features in (times(data, folder), counts(data, folder), vectors(data, folder)):
        for place, added in features.items():
            found[place] = added if place == "vectors" else [*found.get(place, ()), *added]
    return found


def item_vectors(data: kd.data.PreparedData, item: str) -> pd.DataFrame:
    """Returns the vectors of items: a truncated SVD of the matrix of users and their clicks.

    An item has a vector if a user of the training part clicked it. No set of this folder has
    published vectors.
    """
    samples, values = data.parts["train"], data.spec.features[item].vocabulary
    clicked = next(iter(samples.labels.values())) == 1
    pairs = np.stack([samples.group[clicked], samples.columns[item][clicked]])
    user, index = np.unique(pairs[:, pairs[1] >= NUM_RESERVED], axis=1)
    shape = (int(user.max()) + 1, len(values) + NUM_RESERVED)
    # Each user weighs the same, so that few users with many clicks do not decide.
    weight = 1 / np.sqrt(np.bincount(user))[user]
    matrix = scipy.sparse.csr_matrix((weight, (user, index)), shape)
    items = np.unique(index)
    found = TruncatedSVD(SIZE, random_state=0).fit_transform(matrix.T)[items]
    return pd.DataFrame(
        {item: [values[i - NUM_RESERVED] for i in items], "vector": list(found / found.std())}
    )


SETS = {
    "ids": ids,
    "times": times,
    "counts and matches": counts,
    "all": everything,
    "vectors": vectors,
    "counts of users": user_counts,
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
