"""The kinds of data: how each is loaded, and what all its runs share."""

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
        load: `(folder, paper)` -> `PreparedData`. Without `paper` it has all three parts; with
            it the validation may be a part of the training.
        training: Arguments of `train` that all models share.
        crosses: Crosses of Wide & Deep.
        dropout: The dropout that is tried first.
        packaged: Whether it comes with the package.
    """

    load: Callable
    training: dict
    crosses: tuple
    dropout: float = 0.0
    packaged: bool = False


def load(source: Source, folder, protocol: str) -> PreparedData:
    """The data of a protocol.

    `"honest"` has the parts train, valid and test. `"paper"` trains on all but the test, and the
    test stands as `"valid"`: where training looks after each epoch, and keeps the best.
    """
    if protocol == "honest":
        return source.load(folder, False)
    data = source.load(folder, True)
    parts = [data.parts[name] for name in ("train", "valid") if name in data.parts]
    train = parts[0] if len(parts) == 1 else _joined(*parts)
    return dataclasses.replace(data, parts={"train": train, "valid": data.parts["test"]})


def _joined(first: Samples, second: Samples) -> Samples:
    """The rows of both; of columns without bags."""
    arrays = second.arrays()
    return Samples.from_arrays(
        {name: np.concatenate([array, arrays[name]]) for name, array in first.arrays().items()}
    )


def _pickle(path, paper):
    path = pathlib.Path(path)
    path = path / "dataset.pkl" if path.is_dir() else path
    return load_din_pickle(path, valid=not paper, dim=64)


def _raw_amazon(folder, paper):
    reviews, meta = (_only(folder, f"{word}_*.json*") for word in ("reviews", "meta"))
    return load_amazon(reviews, meta, split=LeaveOneOut(valid=int(not paper)))


def _only(folder, pattern) -> pathlib.Path:
    files = sorted(pathlib.Path(folder).glob(pattern))
    if len(files) != 1:
        raise ValueError(
            f"`--folder` must hold one file {pattern}. "
            f"Received: {folder} with {[file.name for file in files]}."
        )
    return files[0]


def _movielens(folder, paper):
    return load_movielens(
        folder, split=PAPER_SPLIT if paper else ByUser(valid=0.1, test=PAPER_SPLIT.test)
    )


_PAIRS = {"by_request": True, "batch_size": 512, "epochs": 8, "patience": 1}
_NEWS = {"by_request": True, "batch_size": 1024, "epochs": 1, "evaluate_freq": 500}
_ROWS = {"batch_size": 1024, "epochs": 5, "patience": 1}
_CATEGORY = (("hist_category", "category"),)
_SECTION = (("hist_category_id", "category_id"),)

SOURCES = {
    "kuairand": Source(
        lambda folder, paper: load_kuairand(folder, max_length=50),
        _ROWS,
        (("tab", "author_id"),),
        dropout=0.3,
        packaged=True,
    ),
    "beauty": Source(lambda folder, paper: load_recut_amazon(folder, "beauty"), _PAIRS, _CATEGORY),
    "sports": Source(lambda folder, paper: load_recut_amazon(folder, "sports"), _PAIRS, _CATEGORY),
    "globo": Source(lambda folder, paper: load_globo(folder, max_length=50), _NEWS, _SECTION),
    "globo-hour": Source(
        lambda folder, paper: load_globo(folder, negatives="hour", max_length=50),
        _NEWS,
        _SECTION,
    ),
    "movielens": Source(_movielens, _ROWS, (("hist_movie_id", "movie_id"),), dropout=0.3),
    "din-pickle": Source(_pickle, _PAIRS, (("hist_cate_id", "cate_id"),)),
    "raw-amazon": Source(_raw_amazon, _PAIRS, _CATEGORY),
}
