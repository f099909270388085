"""Loads MovieLens: ratings of films."""

import array
import os
import pathlib
from collections.abc import Callable

import numpy as np
import pandas as pd

from keras_din.checks import local_path
from keras_din.data.datasets.further_features import with_features
from keras_din.data.prepare.impressions import prepare_impressions
from keras_din.data.prepare.prepared_data import PreparedData
from keras_din.data.prepare.split import ByUser
from keras_din.data.reading.bad_rows import Reason, bad_lines
from keras_din.data.reading.bad_share import MAX_BAD
from keras_din.data.reading.columns import numbers
from keras_din.data.reading.lines import read_lines
from keras_din.data.reading.source import Table
from keras_din.data.reading.table import read_table

__all__ = ["load_movielens"]

# The DIN paper tests on 38,493 of the 138,493 users of MovieLens-20M.
PAPER_SPLIT = ByUser(valid=0, test=38_493 / 138_493)
_FORMS = (("ratings.csv", "movies.csv"), ("ratings.dat", "movies.dat"), ("u.data", "u.item"))
_GENRES = (
    *(None, "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary"),
    *("Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi"),
    *("Thriller", "War", "Western"),
)


def load_movielens(
    folder: str | os.PathLike,
    *,
    threshold: float = 4.0,
    split: Callable | str | None = None,
    user_id: bool = False,
    max_length: int = 100,
    dim: int | dict[str, int] = 16,
    min_count: int = 1,
    max_bad: float = MAX_BAD,
    features: dict | None = None,
) -> PreparedData:
    """Loads ratings as likes. Each rating is a sample; its history are the films liked before it.

    Args:
        folder: Folder of any edition: `ratings.csv` and `movies.csv` (20M and later),
            `ratings.dat` and `movies.dat` (1M, 10M), or `u.data` and `u.item` (100K).
        threshold: The lowest rating that counts as a like.
        split: A split of `keras_din.data.prepare.split`, such as
            `ByUser(valid=0.1, test=0.278, seed=1)`, `LastFraction()` or `LeaveOneOut()`. The
            default is `PAPER_SPLIT` of this file: a test of whole users drawn at random, as many
            as in the DIN paper, and no validation.
        user_id: Whether the user's id is a context feature. In a split of whole users, the ids of
            the test are unknown.
        max_length: The largest number of behaviors that a model reads.
        dim: Width of the embeddings, or column -> width.
        min_count: How often a value must occur in training to have its own embedding.
        max_bad: The largest share of the lines of a file that may be kept aside for one reason.
        features: Further features, such as `{"side_features": [kd.Elapsed("ago")]}`: a dict of
            `"target"`, `"context"`, `"side_features"` and `"vectors"`, same as in
            `prepare_impressions`.

    Returns:
        A `PreparedData` with target `movie_id` and `genres` (a `Bag`), with `user_id=True` context
        `user_id`, and the sequence `hist` of the target features.

    Raises:
        ValueError: If the folder has none of these files, too many lines are bad, or
            `threshold` leaves only one class in training.

    Example:

    ```python
    from pathlib import Path

    # user, film, rating, time
    rows = [f"{user},{film},{3 + (user + film) % 2},{film}" for user in range(4) for film in (1, 2)]
    Path("ratings.csv").write_text("\\n".join(["userId,movieId,rating,timestamp", *rows]))
    Path("movies.csv").write_text("movieId,title,genres\\n1,Up,Comedy|Drama\\n2,It,Horror\\n")
    data = kd.data.load_movielens(".", dim=4, split=kd.data.ByUser(valid=0, test=0.25))
    ```

    Reference:
        [Harper and Konstan, 2015](https://doi.org/10.1145/2827872);
        [Zhou et al., 2018](https://arxiv.org/abs/1706.06978), Sec. 6.1, for label and split.
    """
    folder = local_path("folder", folder)
    forms = [form for form in _FORMS if all((folder / name).is_file() for name in form)]
    if not forms:
        raise ValueError(
            f"`folder` must hold {', or '.join(' and '.join(form) for form in _FORMS)}. "
            f"Received: {folder}."
        )
    ratings, movies = (folder / name for name in forms[0])
    if forms[0][0] == "ratings.csv":
        log, items = _csv_ratings(ratings), _csv_movies(movies)
    elif forms[0][0] == "ratings.dat":
        log, items = read_ratings(ratings, b"::"), _dat_movies(movies)
    else:
        log, items = read_ratings(ratings, b"\t"), _flag_movies(movies)
    rating = numbers("rating", log.frame["rating"])
    liked = np.where(np.isnan(rating), np.nan, rating >= threshold)
    return prepare_impressions(
        log._replace(frame=log.frame.assign(rating=liked)),
        user="user_id",
        time="timestamp",
        label="rating",
        **with_features(
            features,
            target=["movie_id", "genres"],
            context=["user_id"] if user_id else [],
        ),
        items=items,
        bags=["genres"],
        split=PAPER_SPLIT if split is None else split,
        max_length=max_length,
        dim=dim,
        min_count=min_count,
        time_unit="s",
        max_bad=max_bad,
    )


def read_ratings(path: str | os.PathLike, separator: bytes) -> Table:
    """Reads the columns `user_id`, `movie_id`, `rating` and `timestamp`; the file has no header."""
    user, movie, time, lines = (array.array("q") for _ in range(4))
    rating, bad = array.array("d"), []
    for number, line in read_lines(path):
        fields = [] if line is None else line.split(separator)
        try:
            row = int(fields[0]), int(fields[1]), float(fields[2]), int(fields[3])
            if len(fields) != 4 or max(map(abs, row)) >= 2**62:
                raise ValueError
        except (ValueError, IndexError):
            bad.append((number, Reason("not a user, a film, a rating and a time")))
            continue
        user.append(row[0])
        movie.append(row[1])
        rating.append(row[2])
        time.append(row[3])
        lines.append(number)
    columns = {"user_id": user, "movie_id": movie, "rating": rating, "timestamp": time}
    return Table(
        pd.DataFrame(
            {name: np.asarray(column) for name, column in columns.items()},
            index=pd.Index(np.asarray(lines), name="line"),
        ),
        bad_lines(bad),
    )


def _csv_ratings(path: pathlib.Path) -> Table:
    table = read_table(path, ["userId", "movieId", "rating", "timestamp"])
    names = {"userId": "user_id", "movieId": "movie_id"}
    return table._replace(frame=table.frame.rename(columns=names))


def _csv_movies(path: pathlib.Path) -> Table:
    frame, bad = read_table(path, ["movieId", "genres"])
    genres = frame["genres"].mask(frame["genres"] == "(no genres listed)", None)
    return Table(frame.assign(genres=genres).rename(columns={"movieId": "movie_id"}), bad)


def _dat_movies(path: pathlib.Path) -> Table:
    """Reads lines `id::title::genres`. Titles may be in any encoding."""

    def genres(line):
        movie, _, names = (line.split(b"::")[index] for index in (0, 1, -1))
        return int(movie), names.strip().decode("latin-1")

    return _movies(path, genres)


def _flag_movies(path: pathlib.Path) -> Table:
    """Reads lines `id|title|date|date|address|flags`, with one flag per genre."""

    def genres(line):
        movie, _, _, _, _, *flags = line.strip().split(b"|")
        named = zip(flags, _GENRES, strict=True)
        return int(movie), "|".join(name for flag, name in named if flag == b"1" and name)

    return _movies(path, genres)


def _movies(path: pathlib.Path, read) -> Table:
    found, bad = [], []
    for number, line in read_lines(path):
        try:
            found.append((number, *read(line or b"")))
        except (ValueError, IndexError):
            bad.append((number, Reason("not a film and its genres")))
    frame = pd.DataFrame(found, columns=["line", "movie_id", "genres"]).set_index("line")
    genres = frame["genres"].mask(frame["genres"].isin(["", "(no genres listed)"]), None)
    return Table(frame.assign(genres=genres), bad_lines(bad))
