"""The kinds of data: how each is loaded, and the arguments of training that its runs share."""

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np

from examples.loaders.globo import load_globo
from examples.loaders.recut_amazon import load_recut_amazon
from keras_din.data import (
    ByUser,
    LeaveOneOut,
    PreparedData,
    Samples,
    load_amazon,
    load_din_pickle,
    load_kuairand,
    load_movielens,
)
from keras_din.data.datasets.movielens import PAPER_SPLIT

PROTOCOLS = ("honest", "paper")


@dataclasses.dataclass(frozen=True)
class Source:
    """A kind of data.

    Args:
        load: Function `(folder, paper)` that returns a `PreparedData`. With `paper` false it has
            all three parts. With `paper` true validation may be a part of training.
        training: Arguments of `train`, for all models.
        crosses: Crosses of Wide & Deep.
        dropout: The dropout of the first setting.
        packaged: Whether the data comes with the package.
    """

    load: Callable
    training: dict
    crosses: tuple
    dropout: float = 0.0
    packaged: bool = False


def load(source: Source, folder, protocol: str) -> PreparedData:
    """Returns the data of a protocol.

    `"honest"` has the parts train, valid and test. `"paper"` has all but the test part as train,
    and the test part as valid, which is evaluated after each epoch and chooses the epoch.
    """
    if protocol == "honest":
        return source.load(folder, False)
    data = source.load(folder, True)
    parts = [data.parts[name] for name in ("train", "valid") if name in data.parts]
    train = parts[0] if len(parts) == 1 else _concat_samples(*parts)
    return dataclasses.replace(data, parts={"train": train, "valid": data.parts["test"]})


def _concat_samples(first: Samples, second: Samples) -> Samples:
    """Concatenates samples whose columns have no bags."""
    arrays = second.arrays()
    return Samples.from_arrays(
        {name: np.concatenate([array, arrays[name]]) for name, array in first.arrays().items()}
    )


def _load_pickle(path, paper):
    path = pathlib.Path(path)
    path = path / "dataset.pkl" if path.is_dir() else path
    return load_din_pickle(path, valid=not paper, dim=64)


def _load_published_amazon(folder, paper):
    reviews, meta = (_single_file(folder, f"{word}_*.json*") for word in ("reviews", "meta"))
    return load_amazon(reviews, meta, split=LeaveOneOut(valid=int(not paper)))


def _single_file(folder, pattern) -> pathlib.Path:
    files = sorted(pathlib.Path(folder).glob(pattern))
    if len(files) != 1:
        raise ValueError(
            f"`--folder` must contain one file {pattern}. "
            f"Received: {folder} with {[file.name for file in files]}."
        )
    return files[0]


def _load_movielens(folder, paper):
    return load_movielens(
        folder, split=PAPER_SPLIT if paper else ByUser(valid=0.1, test=PAPER_SPLIT.test)
    )


_AMAZON_TRAINING = {"by_request": True, "batch_size": 512, "epochs": 8, "patience": 1}
_NEWS_TRAINING = {"by_request": True, "batch_size": 1024, "epochs": 1, "evaluate_freq": 500}
_ROW_TRAINING = {"batch_size": 1024, "epochs": 5, "patience": 1}
_CATEGORY_CROSS = (("hist_category", "category"),)
_SECTION_CROSS = (("hist_category_id", "category_id"),)

SOURCES = {
    "kuairand": Source(
        lambda folder, paper: load_kuairand(folder, max_length=50),
        _ROW_TRAINING,
        (("tab", "author_id"),),
        dropout=0.3,
        packaged=True,
    ),
    "beauty": Source(
        lambda folder, paper: load_recut_amazon(folder, "beauty"), _AMAZON_TRAINING, _CATEGORY_CROSS
    ),
    "sports": Source(
        lambda folder, paper: load_recut_amazon(folder, "sports"), _AMAZON_TRAINING, _CATEGORY_CROSS
    ),
    "globo": Source(
        lambda folder, paper: load_globo(folder, max_length=50), _NEWS_TRAINING, _SECTION_CROSS
    ),
    "globo-hour": Source(
        lambda folder, paper: load_globo(folder, negatives="hour", max_length=50),
        _NEWS_TRAINING,
        _SECTION_CROSS,
    ),
    "movielens": Source(
        _load_movielens, _ROW_TRAINING, (("hist_movie_id", "movie_id"),), dropout=0.3
    ),
    "din-pickle": Source(_load_pickle, _AMAZON_TRAINING, (("hist_cate_id", "cate_id"),)),
    "raw-amazon": Source(_load_published_amazon, _AMAZON_TRAINING, _CATEGORY_CROSS),
}
