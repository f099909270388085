"""`keras-din prepare --shards`."""

import json

import pytest

import keras_din as kd
from keras_din.cli import main
from keras_din.cli.data_folder import load_data
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
    assert f"\ntrain: {sum(rows)} rows, " in printed
    assert f"\ntrain per shard: {min(rows)} to {max(rows)} rows\n" in printed
    assert "\n  price: numeric: " in printed  # The guesses are printed as without shards.
    assert ": 'item' is missing, first in line" in printed
    assert f"the rows kept aside: bad_rows.csv in {tmp_path}/data and in its shards\n" in printed
    assert printed.endswith(f"written: {tmp_path}/data, 4 shards\n")
    one = kd.data.PreparedData.load(tmp_path / "one")
    loaded = kd.data.load_shards(tmp_path / "data")
    assert comparable_rows(loaded, False) == comparable_rows(one, False)


@pytest.mark.parametrize(
    "words, error",
    [
        (["--half-life", "3"], "`--half-life`. With `--label`, `--weight` names a column"),
        (
            ["--label", "click", "--features", "auto"],
            "`--features auto`. Run it on a part of the log without `--shards`, and pass the "
            "features.json that it writes with `--spec`. Received: --features auto.",
        ),
    ],
)
def test_options_that_do_not_apply(tmp_path, capsys, words, error):
    random_log(0).to_csv(tmp_path / "log.csv", index=False)
    assert prepare(tmp_path, "data", "--shards", "4", *words)
    assert f"`--shards` must be given without {error}" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_proposed_features_in_shards(tmp_path, capsys):
    """The remedy for `--features auto`."""
    log = random_log(0, rows=200)
    log.to_csv(tmp_path / "log.csv", index=False)
    words = ["--label", "click", "--features", "auto"]
    assert not prepare(tmp_path, "one", *words)
    file = tmp_path / "one" / "features.json"
    assert not prepare(
        tmp_path, "data", "--label", "click", "--shards", "2", "--spec", str(file)
    ), capsys.readouterr().err
    one = kd.data.PreparedData.load(tmp_path / "one")
    assert kd.data.load_shards(tmp_path / "data").spec.to_json() == one.spec.to_json()


def test_commands_read_all_shards_and_several_workers_their_own(tmp_path, capsys):
    random_log(0).to_csv(tmp_path / "log.csv", index=False)
    data, run = str(tmp_path / "data"), str(tmp_path / "run")
    assert not prepare(tmp_path, "data", "--label", "click", "--shards", "2")
    assert not main(["train", data, run, "--model", "popularity"]), capsys.readouterr().err
    rows = json.loads((tmp_path / "data" / "sharded.json").read_text())["rows"]["test"]
    capsys.readouterr()
    assert not main(["evaluate", run, "--json"])
    assert json.loads(capsys.readouterr().out)["rows"] == sum(rows)
    of_worker = load_data(data, 1, workers=2)
    assert of_worker.worker == (1, 2)
    of_worker.save(tmp_path / "part")
    assert load_data(tmp_path / "part", 1, workers=2).worker == (1, 2)
    assert main(["evaluate", run, "--data", str(tmp_path / "part")])
    assert "part, the rows of one of 2 workers." in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"as many shards as workers\. Received: 3 workers"):
        load_data(data, 0, workers=3)
    assert main(["predict", run, data, str(tmp_path / "ctr.csv")])
    assert "must be one shard, such as shard-00000-of-00064" in capsys.readouterr().err
    assert main(["update", run])
    assert "which has shards: load them with `kd.data.load_shards`" in capsys.readouterr().err
