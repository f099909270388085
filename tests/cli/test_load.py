"""`keras-din load` prepares published files; `train` and `predict` read the result."""

import pandas as pd

from keras_din.cli import main


def mind(folder):
    folder.mkdir()
    news = [f"N{n}\tnews\tnews{n % 2}\tTitle\tText\turl\t[]\t[]\n" for n in range(5)]
    (folder / "news.tsv").write_text("".join(news), encoding="utf-8")
    time = "11/15/2019 8:55:22 AM"
    lines = [f"{n}\tU{n % 3}\t{time}\tN1 N{n % 3}\tN3-{n % 2} N9-1 N4-0\n" for n in range(8)]
    (folder / "behaviors.tsv").write_text("".join(lines), encoding="utf-8")
    return str(folder)


def test_mind(tmp_path, capsys):
    data, run = str(tmp_path / "data"), str(tmp_path / "run")
    paths = [mind(tmp_path / "train"), mind(tmp_path / "dev"), data]
    # All impressions have one time, so that none is left for training.
    assert main(["load", "mind", *paths]) == 1
    assert "leave rows for training" in capsys.readouterr().err
    text = (tmp_path / "train" / "behaviors.tsv").read_text(encoding="utf-8")
    text = text.replace("7\tU1\t11/15", "7\tU1\t11/16")
    (tmp_path / "train" / "behaviors.tsv").write_text(text, encoding="utf-8")
    assert main(["load", "mind", *paths, "--dim", "4", "--max-length", "3"]) == 0
    assert "test: 24 rows, 12 clicks" in capsys.readouterr().out
    assert main(["train", data, run, "--model", "lr", "--epochs", "1", "--quiet"]) == 0
    assert main(["predict", run, data, str(tmp_path / "ctr.csv")]) == 0
    scores = pd.read_csv(tmp_path / "ctr.csv")
    assert scores["user_id"].tolist()[:4] == ["U0", "U0", "U0", "U1"]
    assert scores["ctr"].between(0, 1).all()


def test_other_data_sets(tmp_path, capsys):
    rows = [
        f"{user}::{film}::{3 + (user + film) % 2}::{film}" for user in range(9) for film in (1, 2)
    ]
    (tmp_path / "ratings.dat").write_text("\n".join(rows), encoding="utf-8")
    (tmp_path / "movies.dat").write_text("1::Up (2009)::Comedy|Drama\n2::It::Horror\n")
    assert main(["load", "movielens", str(tmp_path), str(tmp_path / "data"), "--dim", "4"]) == 0
    assert "Bag('genres'" in capsys.readouterr().out
    assert main(["load", "amazon", "reviews.json", str(tmp_path / "data")]) == 1
    assert "`load amazon` requires 2 paths, then the folder to write" in capsys.readouterr().err
