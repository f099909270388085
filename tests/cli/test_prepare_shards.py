"""`keras-din prepare --shards`."""

import json

import pytest

import keras_din as kd
from keras_din.cli import main
from tests.data.sharded.shared import comparable_rows, random_log

WORDS = [
    "--user",
    "who",
    "--time",
    "at",
    "--target",
    "item,tags",
    "--context",
    "price",
    "--dim",
    "2",
]
WORDS += ["--dim", "2", "--bags", "tags", "--max-bad", "0.2"]


def prepare(folder, data, *words):
    return main(["prepare", str(folder / "log.csv"), str(folder / data), *WORDS, *words])


@pytest.mark.parametrize("words", [["--label", "click"], ["--negatives", "2", "--seed", "5"]])
def test_shards_have_the_rows_of_the_log(tmp_path, capsys, words):
    random_log(0).to_csv(tmp_path / "log.csv", index=False)
    assert not prepare(tmp_path, "one", *words)
    capsys.readouterr()
    assert not prepare(tmp_path, "data", *words, "--shards", "4")
    printed = capsys.readouterr().out
    header = json.loads((tmp_path / "data" / "sharded.json").read_text())
    rows = header["rows"]["train"]
    assert f"train: {sum(rows)} rows, {min(rows)} to {max(rows)} per shard" in printed
    assert "rows, 'item' is missing" in printed
    assert printed.endswith(f"written: {tmp_path}/data, 4 shards\n")
    one = kd.data.PreparedData.load(tmp_path / "one")
    loaded = kd.data.load_shards(tmp_path / "data")
    assert comparable_rows(loaded, False) == comparable_rows(one, False)


@pytest.mark.parametrize(
    "words, received",
    [
        (["--half-life", "3"], "--half-life"),
        (["--label", "click", "--half-life", "3"], "--half-life"),
        (["--label", "click", "--features", "auto"], "--features auto"),
    ],
)
def test_options_that_do_not_apply(tmp_path, capsys, words, received):
    random_log(0).to_csv(tmp_path / "log.csv", index=False)
    assert prepare(tmp_path, "data", "--shards", "4", *words)
    error = capsys.readouterr().err
    assert "`--shards` must be given without `--rows`" in error
    assert received in error
    assert not (tmp_path / "data").exists()
