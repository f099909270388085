"""Layouts of published logs: `prepare`, `train` and `predict` on small files written by hand."""

import pathlib
import re

import numpy as np
import pandas as pd
import pytest

from keras_din.cli import main
from keras_din.data import PreparedData, rows_to_samples

TRAIN = ["--epochs", "1", "--batch-size", "8", "--quiet", "--option", "hidden_units=[4]"]


def write(path: pathlib.Path, lines) -> str:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def trained(folder: pathlib.Path, model: str) -> str:
    words = [str(folder / "data"), str(folder / "run"), "--model", model]
    assert main(["train", *words, *TRAIN]) == 0
    return str(folder / "run")


def predicted(folder: pathlib.Path, run: str, source, *words) -> pd.DataFrame:
    assert main(["predict", run, str(source), str(folder / "ctr.csv"), *words]) == 0
    return pd.read_csv(folder / "ctr.csv", dtype=str).astype({"ctr": float})


def fuxictr_lines(rows: int = 24) -> list:
    """Rows of FuxiCTR: a sequence is text such as `13^5`, and may be empty."""
    lines = ["label,user,item_id,cate,click_sequence,cate_sequence"]
    for row in range(rows):
        items = [f"{(row * n) % 5 + 1:03}" for n in range(row % 4)]
        cates = [str(int(item) % 2) for item in items]
        shown = f"{row % 5 + 1:03},{(row % 5 + 1) % 2}"
        lines.append(f"{row // 2 % 2},u{row % 3},{shown},{'^'.join(items)},{'^'.join(cates)}")
    return lines


def test_sequences_in_columns_of_text(tmp_path, capsys):
    lines = fuxictr_lines()
    train = write(tmp_path / "train.csv", [*lines[:20], "1,u1,too,few"])
    test = write(tmp_path / "test.csv", [lines[0], *lines[20:], "1,u1,unknown,7,009^001,1^1"])
    words = ["--rows", "--label", "label", "--user", "user", "--target", "item_id,cate"]
    words += ["--history-separator", "^", "--categorical", "cate", "--dim", "4"]
    words += ["--sequences", "hist_item_id=click_sequence"]
    words += ["--sequences", "hist_cate=cate_sequence", "--max-bad", "0.1"]
    data = str(tmp_path / "data")
    assert main(["prepare", train, data, *words, "--test-file", test]) == 0
    assert (
        "kept aside 1: wrong number of fields, in the table of 'train'" in capsys.readouterr().out
    )
    prepared = PreparedData.load(data)
    assert sorted(prepared.spec.features["item_id"].vocabulary) == [f"00{n}" for n in range(1, 6)]
    assert {name: len(part) for name, part in prepared.parts.items()} == {"train": 19, "test": 6}
    assert prepared.report["parts"]["test"]["rows_without_history"] == {"hist": 1}
    run = trained(tmp_path, "base")
    # The data has the separator and the columns of the histories.
    scores = predicted(tmp_path, run, test)
    assert scores["click_sequence"].tolist()[-1] == "009^001"
    assert main(["predict", run, data, str(tmp_path / "part.csv")]) == 0
    of_part = pd.read_csv(tmp_path / "part.csv")["ctr"]
    np.testing.assert_allclose(scores["ctr"], of_part, rtol=1e-6)
    # The options of the command replace them. An invalid line has no score and is left out.
    other = write(tmp_path / "other.csv", [*[line.replace("^", ";") for line in lines[:5]], "1"])
    words = ["--history-separator", ";", "--sequences", "hist_cate=cate_sequence"]
    capsys.readouterr()
    scores = predicted(tmp_path, run, other, *words, "--max-bad", "0.2")
    assert len(scores) == 4
    assert "kept aside 1: wrong number of fields, first in line 6" in capsys.readouterr().out


def test_the_longest_history_is_printed(tmp_path, capsys):
    train = write(tmp_path / "train.csv", fuxictr_lines())
    words = ["--rows", "--label", "label", "--target", "item_id", "--dim", "4", "--no-history"]
    assert main(["prepare", train, str(tmp_path / "none"), *words]) == 0
    assert "histories of" not in capsys.readouterr().out
    words = [*words[:-1], "--sequences", "hist_item_id=click_sequence"]
    for separator, longest in (("^", 3), (";", 1)):
        data = str(tmp_path / f"data {longest}")
        assert main(["prepare", train, data, *words, "--history-separator", separator]) == 0
        expected = (
            f"histories of 'hist': text separated by {separator!r}; the longest has {longest}"
        )
        assert expected in capsys.readouterr().out


def test_sequences_of_tables_with_another_separator(tmp_path):
    """TorchEasyRec: the columns of a sequence begin with its name; the separator is chr(29)."""
    lines = ["clk\x01item_id\x01click_50_seq__item_id"]
    for row in range(20):
        history = "\x1d".join(str((row * n) % 5) for n in range(row % 4))
        lines.append(f"{row // 2 % 2}\x01{row % 5}\x01{history}")
    source = write(tmp_path / "rows.txt", lines)
    words = ["--rows", "--sep", "\x01", "--label", "clk", "--target", "item_id", "--dim", "4"]
    words += ["--sequence", "click_50_seq_", "--history-separator", "\x1d"]
    data = str(tmp_path / "data")
    assert main(["prepare", source, data, *words]) == 0
    spec = PreparedData.load(data).spec
    assert list(spec.inputs) == ["item_id", "click_50_seq__item_id"]
    behaviors, _ = rows_to_samples(source, spec, separator="\x1d", sep="\x01")
    assert np.diff(behaviors["click_50_seq_"].offsets).tolist()[:5] == [0, 1, 2, 3, 0]


def criteo_lines(rows: int = 30) -> list:
    """Rows of Criteo: a label, 13 counts and 26 hashed categories; fields may be empty."""
    lines = []
    for row in range(rows):
        counts = ["" if (row + n) % 5 == 0 else str(row * n % 9 - 1) for n in range(13)]
        values = ["" if (row + n) % 6 == 0 else f"{row * n % 4:08x}" for n in range(26)]
        lines.append("\t".join([str(row // 3 % 2), *counts, *values]))
    return lines


def test_rows_without_users_and_times(tmp_path):
    lines = criteo_lines()
    lines[7] = "1\t2"
    source = write(tmp_path / "train.txt", lines)
    counts, values = [f"I{n}" for n in range(1, 14)], [f"C{n}" for n in range(1, 27)]
    sep = ["--sep", "tab", "--names", ",".join(["label", *counts, *values]), "--max-bad", "0.1"]
    words = ["--rows", "--no-history", "--label", "label", "--target", "C1,C2,C3"]
    words += ["--context", "I1,I2", "--numeric", "I1,I2", "--dim", "4"]
    data = str(tmp_path / "data")
    assert main(["prepare", source, data, *sep, *words, "--split", "by-user", "--seed", "1"]) == 0
    prepared = PreparedData.load(data)
    sizes = {name: len(part) for name, part in prepared.parts.items()}
    assert sizes == {"train": 23, "valid": 3, "test": 3}  # Drawn at random.
    assert not prepared.spec.sequences
    assert prepared.report["values_missing"]["C1"] == 5  # A missing item is a value like others.
    run = trained(tmp_path, "base")
    scores = predicted(tmp_path, run, source, *sep)
    assert len(scores) == 29
    assert scores["ctr"].notna().all()
    # By default the last rows are the test.
    assert main(["prepare", source, data, *sep, *words, "--overwrite"]) == 0
    assert PreparedData.load(data).parts["test"].line.tolist() == [28, 29, 30]


def test_rows_with_times_but_without_users(tmp_path):
    """Avazu: the hour is YYMMDDHH."""
    lines = ["id,click,hour,C1,site_id"]
    lines += [
        f"1{row:019},{row // 2 % 2},{14102100 + row // 4},1005,{row % 3:08x}" for row in range(24)
    ]
    source, data = write(tmp_path / "train.csv", lines), str(tmp_path / "data")
    words = ["--rows", "--no-history", "--label", "click", "--target", "site_id,C1", "--dim", "4"]
    words += ["--context", "hour", "--time", "hour", "--time-format", "%y%m%d%H"]
    words += ["--split", "by-time", "--test-from", "2014-10-21 05:00"]
    assert main(["prepare", source, data, *words]) == 0
    prepared = PreparedData.load(data)
    assert {name: len(part) for name, part in prepared.parts.items()} == {"train": 20, "test": 4}
    assert prepared.report["time_to"].startswith("2014-10-21T05:00")
    assert prepared.spec.features["hour"].vocabulary[0] == "14102100"


def test_files_without_header(tmp_path, capsys):
    """MovieLens separates fields by `::`. Taobao has behaviors of several types."""
    lines = [f"{1 + n % 4}::{n * 3 % 17}::{1 + n % 5}::{978300760 + 60 * n}" for n in range(40)]
    lines[20:20] = ["1::2", "", "1::2::3::never"]
    ratings, data = write(tmp_path / "ratings.dat", lines), str(tmp_path / "data")
    words = ["--sep", "::", "--names", "user,item,rating,ts", "--max-bad", "0.1", "--dim", "4"]
    words += ["--user", "user", "--time", "ts", "--target", "item"]
    assert main(["prepare", ratings, data, *words]) == 0
    assert PreparedData.load(data).bad_rows["reason"].tolist() == [
        "2 fields, not 4: 1::2",
        "'ts' is not a time",
    ]
    liked = ["--label", "rating", "--label-map", "1=0,2=0,3=0,4=1,5=1", "--context", "rating"]
    assert main(["prepare", ratings, data, *words, *liked, "--overwrite"]) != 0
    assert "'rating'" in capsys.readouterr().err  # The label is not a feature.
    assert main(["prepare", ratings, data, *words, *liked[:-2], "--overwrite"]) == 0
    prepared = PreparedData.load(data)
    assert prepared.bad_rows["line"].tolist() == [21, 23]
    assert sum(part.label.sum() for part in prepared.parts.values()) == 16
    kinds = ["pv", "buy", "pv", "cart", "pv", "fav"]
    lines = [
        f"{1 + n % 3},{n * 5 % 23},{n * 5 % 23 % 4},{kinds[n % 6]},{1511544070 + n}"
        for n in range(60)
    ]
    behaviors = write(tmp_path / "UserBehavior.csv", [*lines, "1,2,3"])
    words = ["--names", "user,item,category,action,ts", "--user", "user", "--time", "ts"]
    words += ["--target", "item,category", "--side-features", "action", "--max-bad", "0.1"]
    assert main(["prepare", behaviors, data, *words, "--dim", "4", "--overwrite"]) == 0
    spec = PreparedData.load(data).spec
    assert set(spec.sequences[0].side_features[0].vocabulary) == {"pv", "buy", "cart", "fav"}


def test_weights_separate_files_and_an_order(tmp_path):
    lines = [f"u{n % 4},{n * 3 % 7},{n},{n // 3 % 2},{n % 3}" for n in range(40)]
    header = "user,item,position,click,w"
    train = write(tmp_path / "train.csv", [header, *lines[:30], "u1,2"])
    test = write(tmp_path / "test.csv", [header, *lines[30:], "u1,unknown,99,1,"])
    data = str(tmp_path / "data")
    words = ["--user", "user", "--order", "position", "--label", "click", "--target", "item"]
    words += ["--weight", "w", "--dim", "4", "--max-bad", "0.1"]
    assert main(["prepare", train, data, *words, "--test-file", test]) == 0
    prepared = PreparedData.load(data)
    assert {name: len(part) for name, part in prepared.parts.items()} == {"train": 30, "test": 10}
    assert sorted(prepared.parts["test"].weight) == sorted(n % 3 for n in range(30, 40))
    assert prepared.report["order_to"] == 39
    assert prepared.bad_rows["file"].tolist() == [train, test]
    words = ["--rows", "--no-history", "--label", "click", "--target", "item", "--weight", "w"]
    words += ["--dim", "4", "--max-bad", "0.1", "--order", "position", "--overwrite"]
    assert main(["prepare", train, data, *words]) == 0
    assert sorted(PreparedData.load(data).parts["test"].line) == [29, 30, 31]


@pytest.mark.parametrize(
    "words, message",
    [
        (["--label", "c", "--user", "u", "--no-history"], "`--no-history` requires `--rows`"),
        (
            ["--label", "c", "--rows", "--items", "i.csv"],
            "`--items` must not be given with `--rows",
        ),
        (["--rows"], "`--rows` requires `--label`"),
        (["--user", "u", "--weight", "w"], "`--weight` requires impressions; name their `--label`"),
        (
            ["--label", "c", "--time", "t"],
            "`--user` must name the column of users, unless each row",
        ),
        (
            ["--label", "c", "--rows", "--sequences", "x_item=h"],
            r"must name a history, SEQUENCE_FEATURE=COLUMN.*\['hist'\]. Received: x_item=h",
        ),
        (
            ["--label", "c", "--rows", "--test-file", "t.csv", "--split", "by-user"],
            "must be given without the options of `--split`. Received: split='by-user'",
        ),
    ],
)
def test_options_that_do_not_apply_fail(tmp_path, capsys, words, message):
    source = write(tmp_path / "rows.csv", ["item,c", "a,1"])
    assert main(["prepare", source, str(tmp_path / "data"), "--target", "item", *words]) != 0
    assert re.search(message, capsys.readouterr().err)
