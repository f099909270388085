"""The commands of `keras-din`, called as on the command line."""

import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from keras_din.cli import COMMANDS, _parse, main, parser
from keras_din.cli import train as train_command
from keras_din.data import PreparedData, prepare_impressions, prepare_interactions
from keras_din.features import Bag
from keras_din.models import MODELS
from keras_din.monitor import MONITORS, NUMBER_MONITORS
from keras_din.training import load_run, read_arguments, train

ROOT = pathlib.Path(__file__).parent.parent.parent


def a_log(seed=0, users=60):
    """Clicks on items whose shop a user likes."""
    rng = np.random.default_rng(seed)
    rows = users * 20
    log = pd.DataFrame(
        {
            "user": np.repeat([f"u{i}" for i in range(users)], 20),
            "item": rng.integers(30, size=rows),
            "ts": 1_700_000_000 + np.tile(np.arange(20), users) * 3600,
            "device": rng.choice(["phone", "tv"], rows),
        }
    )
    log["shop"] = [f"s{item % 3}" for item in log["item"]]
    likes = np.repeat(rng.integers(3, size=users), 20)
    log["click"] = ((log["item"] % 3 == likes) & (rng.random(rows) < 0.9)).astype(int)
    return log


PREPARE = ["--user", "user", "--time", "ts", "--target", "item,shop", "--dim", "4"]
SMALL = ["--option", "hidden_units=[8]", "--batch-size", "64", "--quiet"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a log, prepared data and a run, each made by its command."""
    folder = tmp_path_factory.mktemp("cli with spaces")
    a_log().to_csv(folder / "log.csv", index=False)
    words = [*PREPARE, "--label", "click", "--context", "device"]
    assert main(["prepare", str(folder / "log.csv"), str(folder / "data"), *words]) == 0
    words = ["--epochs", "2", "--learning-rate", "0.01", *SMALL, "--option", "attention_units=[4]"]
    words += ["--option", 'activation=["batch_normalization", "relu"]']
    assert main(["train", str(folder / "data"), str(folder / "run"), *words]) == 0
    return folder


def test_prepare(folder, tmp_path, capsys):
    log = a_log()
    log.loc[3, "click"] = 7
    log = pd.concat([log, log[4:6]])
    log.to_csv(tmp_path / "log.csv", index=False)
    words = ["prepare", str(tmp_path / "log.csv"), str(tmp_path / "data"), *PREPARE]
    assert main([*words, "--label", "click"]) == 0
    output = capsys.readouterr().out
    assert "kept 1,201 of 60 users" in output
    assert "kept aside 1: 'click' is neither 0 nor 1, first in line 5: 7" in output
    assert "kept: 2 rows, each equal to another in every column" in output
    assert "bad_rows.csv" in output
    data = PreparedData.load(tmp_path / "data")
    assert data.bad_rows["line"].tolist() == [5]
    assert sum(map(len, data.parts.values())) == 1201
    assert main([*words, "--label", "click"]) == 1
    assert "must be new or empty" in capsys.readouterr().err
    assert main([*words, "--label", "click", "--overwrite", "--strict"]) == 1
    assert "Received in line 5: 'click' is neither 0 nor 1: 7." in capsys.readouterr().err
    assert PreparedData.load(tmp_path / "data").report == data.report
    assert main([*words, "--label", "click", "--overwrite", "--duplicates", "drop"]) == 0
    assert "kept aside 2: the row is a duplicate" in capsys.readouterr().out


def test_prepare_several_files(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    os.mkdir("logs")
    log = a_log().assign(click=np.where(np.arange(1200) == 700, 7, a_log()["click"]))
    for day, rows in enumerate(np.array_split(np.arange(1200), 3)):
        log.iloc[rows].to_csv(f"logs/{day}.csv.gz", index=False)
    pathlib.Path("logs/_SUCCESS").touch()
    words = [*PREPARE, "--label", "click"]
    files = ["logs/0.csv.gz", "logs/2.csv.gz", "logs/1.csv.gz", "logs/_SUCCESS"]
    reports = []
    for source in (["logs"], ["logs/[0-9]*"], files):
        assert main(["prepare", *source, "data", *words, "--overwrite"]) == 0
        output = capsys.readouterr().out
        assert "of 3 files, read in this order: logs/0.csv.gz to logs/2.csv.gz" in output
        assert "1: 'click' is neither 0 nor 1, first in line 302 of logs/1.csv.gz: 7" in output
        assert ("left out 1 hidden or marker file: logs/_SUCCESS" in output) == (
            source != ["logs/[0-9]*"]
        )
        reports.append(PreparedData.load("data").report)
    assert reports[0] == reports[1] == reports[2]
    # The folder to write was forgotten.
    assert main(["prepare", "logs/0.csv.gz", "logs/1.csv.gz", *words, "--overwrite"]) == 1
    error = capsys.readouterr().err
    assert (
        "last of the paths must be the folder to write. Received: the file logs/1.csv.gz" in error
    )


@pytest.mark.parametrize("no, yes", [(-1, 1), (0, 7), ("no", "yes"), (None, 1)])
def test_labels_of_other_values(tmp_path, capsys, no, yes):
    log = a_log()
    log["click"] = log["click"].map({0: no, 1: yes}).astype(object)
    log.to_csv(tmp_path / "log.csv", index=False)
    words = ["prepare", str(tmp_path / "log.csv"), str(tmp_path / "data"), *PREPARE]
    words += ["--label", "click"]
    assert main(words) == 1
    error = capsys.readouterr().err
    assert not (tmp_path / "data").exists()
    # The error contains the remedy.
    (remedy,) = re.findall(r"`--label-map (\S+)`", error)
    assert main([*words, "--label-map", remedy]) == 0
    of_log = PreparedData.load(tmp_path / "data")
    assert sum(part.label.sum() for part in of_log.parts.values()) == a_log()["click"].sum()
    assert main([*words, "--overwrite", "--max-bad", "1"]) == 1  # At most one class is left.
    with pytest.raises(SystemExit):
        main([*words, "--label-map", "no"])
    assert "must be VALUE=0 or VALUE=1" in capsys.readouterr().err
    assert main([*words[:-2], "--label-map", "no=0"]) == 1
    error = capsys.readouterr().err
    assert "`--label-map` requires impressions; name their `--label` too. Received: --l" in error


@pytest.mark.parametrize(
    "words, parts",
    [
        ([], {"train": 60 * 17 * 2, "valid": 120, "test": 120}),
        (["--negatives", "3", "--negatives-by", "popularity", "--ties", "order"], {"test": 240}),
        (["--split", "by-user", "--seed", "2"], {"train": 48 * 19 * 2}),
        (["--split", "by-time", "--test-from", "2023-11-15T12:13:20"], {"test": 60 * 6 * 2}),
        (["--split", "by-time", "--test-from", "1700050400"], {"test": 60 * 6 * 2}),
        (["--label", "click", "--split", "leave-one-out"], {"test": 60}),
        (["--valid-size", "0", "--test-size", "2"], {"train": 60 * 17 * 2, "test": 240}),
        (
            ["--label", "click", "--valid-size", "0", "--test-size", "0.25"],
            {"train": 900, "test": 300},
        ),
        (["--split", "by-user", "--test-size", "0.5"], {"test": 30 * 19 * 2}),
        (
            ["--split", "by-time", "--test-from", "1700050400", "--end", "1700057600"],
            {"test": 60 * 2 * 2},
        ),
    ],
)
def test_prepare_with_other_splits(tmp_path, words, parts):
    # Each user has few of the items, so that there are negatives.
    a_log().assign(item=lambda log: log.index // 20 * 100 + log["item"]).to_parquet(
        tmp_path / "log.parquet"
    )
    log, data = str(tmp_path / "log.parquet"), str(tmp_path / "data")
    assert main(["prepare", log, data, *PREPARE, *words]) == 0
    prepared = PreparedData.load(data)
    assert {part: len(prepared.parts[part]) for part in parts} == parts


def same(data, expected):
    """Returns whether two `PreparedData` are equal."""
    assert data.spec == expected.spec
    assert data.report == expected.report
    assert data.parts.keys() == expected.parts.keys()
    for part, samples in data.parts.items():
        for name, array in samples.arrays().items():
            np.testing.assert_array_equal(array, expected.parts[part].arrays()[name], str(name))
    for name, log in data.behaviors.items():
        np.testing.assert_array_equal(log.offsets, expected.behaviors[name].offsets)
        assert log.columns.keys() == expected.behaviors[name].columns.keys()


def test_all_arguments_of_impressions_have_options(tmp_path):
    log = a_log().assign(liked=lambda log: (log["item"] % 5 < 2).astype(int))
    log.to_csv(tmp_path / "log.csv", index=False, sep=";")
    prior = log[:90].assign(ts=1_600_000_000)
    prior.to_csv(tmp_path / "prior.csv", index=False, sep=";")
    names = ["user", "item", "ts", "device", "shop", "is_click", "is_liked"]
    words = ["--user", "user", "--time", "ts", "--target", "item,shop", "--label", "is_click"]
    words += ["--of", "item", "--sequences", "clicked=is_click", "--sequences", "liked=is_liked"]
    words += ["--prior-history", f"liked={tmp_path / 'prior.csv'}", "--dim", "item=8,shop=4"]
    words += ["--sep", ";", "--header", "--names", ",".join(names)]
    assert main(["prepare", str(tmp_path / "log.csv"), str(tmp_path / "data"), *words]) == 0
    expected = prepare_impressions(
        tmp_path / "log.csv",
        user="user",
        time="ts",
        label="is_click",
        target=["item", "shop"],
        of=["item"],
        sequences={"clicked": "is_click", "liked": "is_liked"},
        prior_history={"liked": tmp_path / "prior.csv"},
        dim={"item": 8, "shop": 4},
        sep=";",
        header=True,
        names=names,
    )
    same(PreparedData.load(tmp_path / "data"), expected)
    assert expected.report["behaviors"]["liked"] > log["liked"].sum()
    assert [feature.dim for feature in expected.spec.target] == [8, 4]


def test_all_arguments_of_behaviors_have_options(tmp_path):
    log = a_log().assign(item=lambda log: log.index, other=lambda log: log["item"].to_numpy()[::-1])
    log.to_csv(tmp_path / "log.csv", index=False)
    words = ["--user", "user", "--time", "ts", "--target", "item", "--negatives", "other"]
    words += ["--sequence", "bought", "--side-features", "device", "--hash", "device=10"]
    words += ["--dim", "device=3"]
    assert main(["prepare", str(tmp_path / "log.csv"), str(tmp_path / "data"), *words]) == 0
    expected = prepare_interactions(
        tmp_path / "log.csv",
        user="user",
        time="ts",
        target=["item"],
        side_features=[kd.Categorical("device", hash_buckets=10, dim=3)],
        negatives="other",
        sequence="bought",
    )
    same(PreparedData.load(tmp_path / "data"), expected)
    assert [sequence.name for sequence in expected.spec.sequences] == ["bought"]


def test_prepare_with_half_life(tmp_path, capsys):
    a_log().to_csv(tmp_path / "log.csv", index=False)
    words = ["prepare", str(tmp_path / "log.csv"), str(tmp_path / "data"), *PREPARE]
    assert main([*words, "--label", "click", "--half-life", "0.5"]) == 0
    assert "after 0.5 days the weight of a training row is half" in capsys.readouterr().out
    train = PreparedData.load(tmp_path / "data").parts["train"]
    days = (train.time.max() - train.time) / 86_400_000_000
    assert days.max() > 0.1
    np.testing.assert_allclose(train.weight, 0.25**days, rtol=1e-6)


def test_prepare_with_a_table_of_users(tmp_path, capsys):
    a_log().to_csv(tmp_path / "log.csv", index=False)
    users = pd.DataFrame({"user": [f"u{i}" for i in range(50)], "age": range(50)})
    users.to_csv(tmp_path / "users.csv", index=False)
    words = ["prepare", str(tmp_path / "log.csv"), str(tmp_path / "data"), *PREPARE]
    words += ["--label", "click", "--context", "age", "--users", str(tmp_path / "users.csv")]
    assert main(words) == 0
    output = capsys.readouterr().out
    assert "of 60 users" in output
    assert "not in `users`: 200 rows of the log" in output


def test_prepare_reports_rows_in_no_part(tmp_path, capsys):
    log = a_log().assign(part=lambda log: ["train", "later"] * (len(log) // 2))
    log.to_csv(tmp_path / "log.csv", index=False)
    words = ["prepare", str(tmp_path / "log.csv"), str(tmp_path / "data"), *PREPARE]
    assert main([*words, "--label", "click", "--split", "part"]) == 0
    assert "in no part, in histories only: 600 rows" in capsys.readouterr().out


def test_options_in_the_spelling_of_python(folder, tmp_path):
    words = [
        "--epochs",
        "1",
        *SMALL,
        "--option",
        "item_bias=True",
        "--option",
        "attention_units=[4]",
        "--monitor",
        "auc",
    ]
    assert main(["train", str(folder / "data"), str(tmp_path / "run"), *words]) == 0
    arguments = read_arguments(tmp_path / "run")["arguments"]
    assert arguments["options"]["item_bias"] is True
    assert arguments["monitor"] == "auc"


def test_a_run_without_data_folder_requires_data(folder, tmp_path, capsys):
    data = PreparedData.load(folder / "data")
    train(data, tmp_path / "run", model="popularity", epochs=1, verbose=0)
    assert main(["evaluate", str(tmp_path / "run")]) == 1
    assert "requires --data" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path / "run"), "--data", str(folder / "data")]) == 0


def test_prepare_bags(tmp_path, capsys):
    a_log().assign(tags=lambda log: [f"a;b{item % 2}" * (item % 3) for item in log["item"]]).to_csv(
        tmp_path / "log.csv", index=False
    )
    words = ["prepare", str(tmp_path / "log.csv"), str(tmp_path / "data"), *PREPARE]
    words[words.index("--target") + 1] = "item,tags"
    words += ["--label", "click", "--bags", "tags", "--separator", ";"]
    assert main(words) == 0
    tags = PreparedData.load(tmp_path / "data").spec.features["tags"]
    assert isinstance(tags, Bag)
    assert tags.vocabulary[0] == "a"
    empty = (a_log()["item"] % 3 == 0).sum()
    output = capsys.readouterr().out
    assert f"bags of 'tags': 1,200, {empty} of them empty and 0 cut to `max_values`" in output


def test_train_evaluate_export_predict(
    folder, checked_by_one_process, tmp_path, capsys, stderr_is_terminal
):
    assert main(["evaluate", str(folder / "run"), "--json"]) == 0
    output = capsys.readouterr()
    assert "GAUC" in output.err
    assert "weighted by impressions" in output.err
    result = load_run(folder / "run").result
    assert json.loads(output.out) == pytest.approx(result["test"])

    older = tmp_path / "models" / "din" / "1"
    older.mkdir(parents=True)
    words = ["export", str(folder / "run"), str(older.parent), "--keep", "1"]
    assert main(words) == 0
    (version,) = older.parent.iterdir()
    assert int(version.name) > 1
    assert str(version) in capsys.readouterr().out
    description = json.loads((version / "keras_din.json").read_text())
    assert description["metrics"]["test"] == result["test"]
    assert description["data_fingerprint"] == read_arguments(folder / "run")["fingerprint"]

    out = tmp_path / "ctr.csv"
    assert main(["predict", str(folder / "run"), str(folder / "data"), str(out)]) == 0
    scores = pd.read_csv(out)
    assert list(scores) == ["line", "user", "device", "item", "shop", "time", "label", "ctr"]
    log = pd.read_csv(folder / "log.csv")
    log["time"] = pd.to_datetime(log["ts"], unit="s").astype(str)
    found = scores.merge(log, on=["time", "device", "item", "shop"])
    assert (found["label"] == found["click"]).groupby(found["user_x"]).any().all()
    assert len(scores) == result["test"]["rows"]
    assert "mean ctr" in capsys.readouterr().out


def test_predict_of_raw_rows(folder, tmp_path):
    rows = pd.DataFrame(
        {
            "device": ["tv", "radio"],
            "item": [3, 999],
            "shop": ["s0", "s1"],
            "hist_item": [[3, 6], []],
            "hist_shop": [["s0", "s0"], []],
        }
    )
    rows.to_parquet(tmp_path / "rows.parquet")
    words = [str(folder / "run"), str(tmp_path / "rows.parquet"), str(tmp_path / "ctr.parquet")]
    assert main(["predict", *words]) == 0
    assert pd.read_parquet(tmp_path / "ctr.parquet")["ctr"].between(0, 1).all()


def test_popularity_is_counted(folder, tmp_path, capsys):
    words = ["train", str(folder / "data"), str(tmp_path / "run"), "--model", "popularity"]
    assert main(words) == 0
    assert re.search(r"^prior strength \d+$", capsys.readouterr().out, re.M)
    assert main(["evaluate", str(tmp_path / "run")]) == 0
    assert main([*words, "--resume"]) == 0
    words[2] = str(tmp_path / "other")
    assert main([*words, "--positive-weight", "2"]) == 1
    assert "`positive_weight` must be 1 for model='popularity'" in capsys.readouterr().err


def test_resume(folder, tmp_path, capsys):
    words = ["train", str(folder / "data"), str(tmp_path / "run"), "--model", "lr"]
    words += ["--mini-batch-aware-l2", "0.5", "--positive-weight", "2"]
    words += ["--batch-size", "64", "--quiet", "--epochs"]
    assert main([*words, "1"]) == 0
    arguments = read_arguments(tmp_path / "run")["arguments"]
    assert (arguments["mini_batch_aware_l2"], arguments["positive_weight"]) == (0.5, 2.0)
    assert main([*words, "2"]) == 1
    assert "to continue this run" in capsys.readouterr().err
    assert main([*words, "2", "--resume"]) == 0
    assert len(pd.read_csv(tmp_path / "run" / "metrics.csv")) == 3
    capsys.readouterr()
    for option, value, word, of_run in (
        ("--model", "din", "model", "'lr'"),
        ("--option", "l2=0.1", "options", "{}"),
        ("--learning-rate", "0.1", "learning_rate", "0.001"),
        ("--batch-size", "1024", "batch_size", "64"),  # The default of a new run.
        ("--positive-weight", "1", "positive_weight", "2.0"),
        ("--seed", "3", "seed", "0"),
    ):
        assert main([*words[:3], "--resume", "--quiet", option, value]) == 1
        error = capsys.readouterr().err
        assert (
            f"`{word}` must be the same as in the run that resumes, {of_run}: leave it out" in error
        )
    assert main([*words[:3], "--resume", "--quiet"]) == 0


@pytest.mark.parametrize(
    "words, message",
    [
        (["prepare", "none.csv", "x", *PREPARE], "none.csv"),
        (
            ["prepare", "{log}", "x", *PREPARE, "--request", "r"],
            "name their `--label` too. Received: --request r.",
        ),
        (
            ["prepare", "{log}", "x", *PREPARE, "--test-from", "3"],
            "Received: split='leave-one-out', test_from='3'",
        ),
        (
            ["prepare", "{log}", "x", *PREPARE, "--split", "by-time"],
            "requires `--test-from`. Received: no moment",
        ),
        (["prepare", "{log}", "x", *PREPARE, "--split", "week"], r"Columns \['week'\] must be in"),
        (["prepare", "{log}", "x", *PREPARE, "--half-life", "0"], "`--half-life` must be a posi"),
        (
            ["prepare", "{log}", "x", *PREPARE, "--sequences", "a=click"],
            "`--sequences` requires impressions; name their `--label` too",
        ),
        (
            ["prepare", "{log}", "x", *PREPARE, "--label", "click", "--negatives", "4"],
            r"`--negatives` requires a log of behaviors; .*Received: --negatives 4\.",
        ),
        (
            ["prepare", "{log}", "x", *PREPARE, "--split", "ts", "--test-size", "2"],
            r"`--test-size` require `--split` to be one of .*Received: split='ts', test=2\.",
        ),
        (
            ["train", "none", "x"],
            "must be one that `PreparedData.save` or `keras-din prepare` wrote",
        ),
        (["train", "{data}", "x", "--option", "dropout"], "`--option` must be NAME=VALUE"),
        (["train", "{data}", "x", "--option", "units=3"], "`options` must be one of"),
        (["evaluate", "{data}"], "must be the folder of a run"),
        (
            ["evaluate", "{run}", "--part", "tests"],
            "`part` must be one of 'train', 'valid', 'test'",
        ),
        (["export", "none", "x"], "must be the folder of a run"),
        (["export", "{run}", "x", "--keep", "0"], "`keep` must be a positive integer"),
        (["export", "{run}", "x", "--format", "onnx", "--keep", "2"], "belong to `--format saved"),
        (
            ["export", "{run}", "x", "--format", "onnx", "--order-by", "ctr"],
            r"belong to `--format savedmodel`\. Received: --order-by and --format onnx\.",
        ),
        (["export", "{run}", "x", "--order-by", "buy"], "there is no output or label 'buy'"),
        (["predict", "{run}", "{data}", "ctr.txt"], "must end in .csv or .parquet"),
        (["predict", "{run}", "none.parquet", "ctr.csv"], "none.parquet"),
    ],
)
def test_errors_leave_no_files(folder, tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    names = {"log": folder / "log.csv", "data": folder / "data", "run": folder / "run"}
    assert main([word.format(**names) if "{" in word else word for word in words]) == 1
    error = capsys.readouterr().err
    assert error.startswith("keras-din: error: ")
    assert re.search(message, error), error
    assert list(tmp_path.iterdir()) == []


def test_data_of_another_spec_raises(folder, tmp_path, capsys):
    data = str(tmp_path / "data")
    words = ["prepare", str(folder / "log.csv"), data, *PREPARE, "--label", "click"]
    assert main(words) == 0
    assert main(["evaluate", str(folder / "run"), "--data", data]) == 1
    assert "must have the features that the model was built with" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["dmeo"], ["train"], ["demo", "--data", "x"]])
def test_invalid_arguments_exit_with_2(words, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    assert "usage: keras-din" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    output = capsys.readouterr().out
    # The examples come before the list of options.
    lines = [line.strip() for line in output.split("options:")[0].splitlines()]
    assert any(line.startswith(f"keras-din {command}") for line in lines)


def test_interrupted(monkeypatch, tmp_path, capsys):
    def interrupt(options):
        raise KeyboardInterrupt

    for name in ("demo", "train"):
        monkeypatch.setattr(COMMANDS[name], "run", interrupt)
    assert main(["demo"]) == 130
    assert capsys.readouterr().err == "keras-din: interrupted\n"
    assert main(["train", "data", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "keras-din: interrupted\n"
    (tmp_path / "run.json").touch()
    assert main(["train", "data", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "keras-din: interrupted: --resume continues the run\n"


def test_run_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "keras_din", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("keras-din 0.")


COMMAND = """
import sys
import keras_din as kd
from keras_din.cli import COMMANDS, main

refused = [
    ["train"],
    ["train", "data", "run", "--model", "dinn"],
    ["train", "data", "run", "--option", "dropout"],
    ["train", "data", "nothing", "--resume"],
    ["evaluate", "nothing"],
    ["export", "nothing", "there"],
    ["export", "nothing", "there", "--format", "onnx", "--keep", "3"],
    ["predict", "nothing", "data", "file"],
    ["check-serving", "version", "data", "--run", "nothing"],
]
for words in [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS), *refused]:
    try:
        code = main(words)
    except SystemExit as stop:
        code = stop.code
    print(code, file=sys.stderr)
for name in ("tensorflow", "keras", "pandas", "pyarrow", "numpy"):
    assert name not in sys.modules, name
import keras_din
assert all(getattr(keras_din, name) is not None for name in keras_din.__all__)
assert keras_din.build_din is keras_din.models.build_din
"""


def test_help_and_invalid_arguments_do_not_import_tensorflow(tmp_path):
    """In a script with the name that pip gives to the command."""
    script = tmp_path / "keras-din"
    script.write_text(COMMAND)
    words = {"capture_output": True, "text": True, "cwd": ROOT, "timeout": 300}
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script], env=environment, **words)
    assert done.returncode == 0, done.stderr[-2000:]
    codes = [int(line) for line in done.stderr.splitlines() if line.isdecimal()]
    assert codes == [0] * (2 + len(COMMANDS)) + [2, 2] + [1] * 7
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "keras_din", "train", "--help"], **words
    )
    assert "usage: keras-din train" in done.stdout
    imported = {line.split("|")[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert "keras_din" in imported
    assert not imported & {"tensorflow", "keras", "pandas", "numpy"}


def test_train_offers_all_models_and_monitors():
    assert tuple(MODELS) == train_command.MODELS
    assert (*MONITORS, *NUMBER_MONITORS) == train_command.MONITORS


@pytest.mark.parametrize(
    "words, message",
    [
        (["--target", "item"], "Received: ['item', 'category'] and ['item']"),
        (["--dim", "item=4", "--dim", "category=8"], "Received: {'item': 4} and {'category': 8}"),
        (["--dim", "4", "--dim", "category=8"], "Received: 4 and {'category': 8}"),
        (["--label", "like"], "Received: click and like"),
        (["--label", "click,like"], "Received: click and "),
    ],
)
def test_an_option_that_is_given_twice(folder, tmp_path, capsys, words, message):
    """argparse would drop the first list. Of single values the last one counts."""
    given = ["prepare", str(folder / "log.csv"), str(tmp_path / "data"), "--user", "user"]
    given += ["--time", "time", "--target", "item,category", "--label", "click"]
    for _ in range(2):  # The same parser may parse several times.
        with pytest.raises(SystemExit) as raised:
            main([*given, *words])
        assert raised.value.code == 2
        assert (
            "takes several values, separate them by commas. " + message in capsys.readouterr().err
        )
    parsed = parser()
    for _ in range(2):
        options = parsed.parse_args([*given, "--dim", "2", "--dim", "3"])
        assert (options.target, options.dim) == (["item", "category"], 3)


def test_the_data_of_an_update_may_stand_after_options(tmp_path, capsys):
    assert _parse(["update", "run", "--quiet", "data"]).data == "data"
    assert _parse(["update", "run", "data", "--quiet"]).data == "data"
    assert _parse(["update", "run", "--quiet"]).data is None
    for words in (["run", "data", "--quiet", "more"], ["run", "--quiet", "--quite"]):
        with pytest.raises(SystemExit):
            main(["update", *words])
        assert f"unrecognized arguments: {words[-1]}" in capsys.readouterr().err


def test_prepare_names_parts_without_clicks(tmp_path, capsys):
    rows = np.arange(40)
    columns = {"user": rows % 2, "time": rows, "item": rows % 5, "click": (rows < 20) * (rows % 3)}
    pd.DataFrame(columns).replace({"click": {2: 1}}).to_csv(tmp_path / "log.csv", index=False)
    words = ["--user", "user", "--time", "time", "--label", "click", "--target", "item"]
    assert main(["prepare", str(tmp_path / "log.csv"), str(tmp_path / "data"), *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    for part in ("valid", "test"):
        assert (
            f"notice: {part} has no clicks: GAUC and AUC cannot be computed; try another --split "
            f"or --{part}-size" in lines
        )
    assert not any("train has no clicks" in line for line in lines)
