"""MovieLens in all editions: the same ratings give the same samples."""

import numpy as np
import pytest

from keras_din.data import ByTime, ByUser, LeaveOneOut, load_movielens
from keras_din.data.datasets.movielens import PAPER_SPLIT, read_ratings
from keras_din.features import Bag
from tests.data.prepare.leakage import check_no_leakage

DAY = 86_400
RATINGS = [  # user, film, rating, day
    (1, 30, 4, 3),
    (1, 10, 5, 1),
    (1, 20, 3, 2),
    (2, 10, 4, 1),
    (2, 20, 5, 1),
    (2, 40, 1, 5),
    (3, 20, 4, 9),
]
FILMS = [
    (10, "Caf\xe9, The (1995)", "Comedy|Drama"),
    (20, 'A "Quoted" Title (1996)', "Comedy"),
    (30, "Alien: Again (1997)", "Sci-Fi|Horror"),
    (40, "Nothing Listed (1998)", ""),
    (50, "Unrated (1999)", "War"),
]
GENRES = [
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery"),
    *("Romance", "Sci-Fi", "Thriller", "War", "Western"),
]


def write_100k(folder):
    rows = ("\t".join(map(str, (*row[:3], row[3] * DAY))) for row in RATINGS)
    (folder / "u.data").write_text("\n".join(rows) + "\n")
    films = (
        f"{film}|{title}|01-Jan-1995||http://us.imdb.com/M|"
        + "|".join(str(int(name in (genres or "unknown").split("|"))) for name in GENRES)
        for film, title, genres in FILMS
    )
    (folder / "u.item").write_bytes(("\n".join(films) + "\n").encode("latin-1"))


def write_1m(folder):
    rows = ("::".join(map(str, (*row[:3], row[3] * DAY))) for row in RATINGS)
    (folder / "ratings.dat").write_text("\n".join(rows) + "\n")
    films = (f"{film}::{title}::{genres}" for film, title, genres in FILMS)
    (folder / "movies.dat").write_bytes(("\n".join(films) + "\n").encode("latin-1"))


def write_20m(folder):
    rows = (f"{user},{film},{rating}.0,{day * DAY}" for user, film, rating, day in RATINGS)
    (folder / "ratings.csv").write_text("\n".join(["userId,movieId,rating,timestamp", *rows]))
    quoted = lambda title: '"' + title.replace('"', '""') + '"'  # noqa: E731
    films = (
        f"{film},{quoted(title)},{genres or '(no genres listed)'}" for film, title, genres in FILMS
    )
    text = "\n".join(["movieId,title,genres", *films])
    (folder / "movies.csv").write_text(text, encoding="utf-8")


def raw(data, name, index):
    return [(None, None, *data.spec.features[name].vocabulary)[i] for i in index]


def as_rows(data, part):
    samples, log = data.parts[part], data.behaviors["hist"]
    start, end = samples.history["hist"]
    films = raw(data, "movie_id", samples.columns["movie_id"])
    return [
        (film, raw(data, "movie_id", log.columns["movie_id"][start[i] : end[i]]), int(label))
        for i, (film, label) in enumerate(zip(films, samples.label, strict=True))
    ]


@pytest.mark.parametrize("write", [write_100k, write_1m, write_20m])
def test_all_editions(tmp_path, write):
    write(tmp_path)
    data = load_movielens(tmp_path, split=ByTime(test_from=5 * DAY, time_unit="s"))
    check_no_leakage(data)
    movie, genres = data.spec.target
    assert isinstance(genres, Bag)
    assert movie.vocabulary == (10, 20, 30)
    assert sorted(genres.vocabulary) == ["Comedy", "Drama", "Horror", "Sci-Fi"]
    # A rating of 3 is not a like. Films rated at the same time are not in each other's history.
    assert as_rows(data, "train") == [
        (10, [], 1),
        (20, [10], 0),
        (30, [10], 1),
        (10, [], 1),
        (20, [], 1),
    ]
    # Film 40 is not in training.
    assert as_rows(data, "test") == [(None, [10, 20], 0), (20, [], 1)]
    assert data.report["bags"]["genres"]["empty"] == 1
    assert data.report["rows_aside"] == {}
    assert data.report["items_table"] == {"rows": 5, "rows_aside": 0, "rows_not_found": 0}
    batch, _ = next(iter(data.dataset("test", 8)))
    assert batch["movie_id"].shape == (2, 1)


def test_threshold_of_a_like(tmp_path):
    write_1m(tmp_path)
    data = load_movielens(tmp_path, threshold=5, split=LeaveOneOut(valid=0))
    # User 3 has one rating, which is the test.
    assert as_rows(data, "test") == [(None, [10], 0), (None, [20], 0), (20, [], 0)]
    with pytest.raises(ValueError, match=r"label 0\. Received: 4 rows, all with label 1 in column"):
        load_movielens(tmp_path, threshold=3, split=LeaveOneOut(valid=0))


def test_split_by_user(tmp_path):
    write_1m(tmp_path)
    data = load_movielens(tmp_path, split=ByUser(valid=0, test=0.3, seed=1), user_id=True)
    train, test = (set(data.parts[part].group.tolist()) for part in ("train", "test"))
    assert len(test) == 1
    assert train | test == {0, 1, 2}
    assert not train & test
    # The users of the test are out-of-vocabulary in the context.
    assert set(data.parts["test"].columns["user_id"].tolist()) == {1}


def test_split_of_the_paper(tmp_path):
    part = PAPER_SPLIT(np.arange(138_493), None, None, None)
    assert np.bincount(part).tolist() == [100_000, 0, 38_493]
    write_1m(tmp_path)
    default, same = (load_movielens(tmp_path, split=split) for split in (None, PAPER_SPLIT))
    assert as_rows(default, "test") == as_rows(same, "test")


def test_bad_lines_of_ratings(tmp_path):
    lines = [
        b"1::10::5::100",
        b"1::10::5",
        b"1::10::5::100::7",
        b"ann::10::5::100",
        b"1::10::good::100",
        b"1::10::5::99999999999999999999",
        b"1::10::inf::100",
        b"\xff::10::5::100",
        b"",
        b"9" * 300_000,
        b"2::20::nan::100",
        b"2::20::3.5::100",
        b"1::20::1::100",
        b"2::10::4::100",
    ]
    (tmp_path / "ratings.dat").write_bytes(b"\n".join(lines))
    frame, bad = read_ratings(tmp_path / "ratings.dat", b"::")
    assert frame.index.tolist() == [1, 11, 12, 13, 14]
    assert frame["rating"].tolist()[::2] == [5.0, 3.5, 4.0]
    assert bad["line"].tolist() == [2, 3, 4, 5, 6, 7, 8, 10]
    assert {reason.kind for reason in bad["reason"]} == {"not a user, a film, a rating and a time"}
    (tmp_path / "movies.dat").write_bytes(b"10::A::War\nB::Comedy\n\n20\n20::C: D::Drama\n")
    with pytest.raises(ValueError, match="Received: 2 of 4 rows for this reason: the row is bad"):
        load_movielens(tmp_path, split=ByUser(valid=0, test=0.5))
    with pytest.raises(ValueError, match="Received: 8 of 13 rows for this reason: not a user, a f"):
        load_movielens(tmp_path, split=ByUser(valid=0, test=0.5), max_bad=0.5)
    data = load_movielens(tmp_path, split=ByUser(valid=0, test=0.5), max_bad=0.8)
    assert data.report["rows"] == 13
    assert data.report["rows_aside"] == {
        "not a user, a film, a rating and a time": {"rows": 8, "first_line": 2},
        "'rating' is missing": {"rows": 1, "first_line": 11},
    }
    assert data.bad_rows["line"].tolist() == [2, 3, 4, 5, 6, 7, 8, 10, 11]
    assert data.report["items_table"] == {"rows": 2, "rows_aside": 2, "rows_not_found": 0}


def test_bad_films_of_100k(tmp_path):
    write_100k(tmp_path)
    films = (tmp_path / "u.item").read_bytes() + b"60|Too few|01-Jan-1995||x|1|0\n"
    (tmp_path / "u.item").write_bytes(films)
    data = load_movielens(tmp_path, max_bad=0.2)
    assert data.report["items_table"] == {"rows": 5, "rows_aside": 1, "rows_not_found": 0}


def test_folder_without_ratings_raises(tmp_path):
    write_1m(tmp_path)
    (tmp_path / "movies.dat").unlink()
    with pytest.raises(
        ValueError, match=r"must hold ratings\.csv and movies\.csv, or .* u\.item\."
    ):
        load_movielens(tmp_path)
