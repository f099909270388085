"""All commands on a log in which one label is given another, with a head for several labels."""

import json

import numpy as np
import pandas as pd
import pytest

from keras_din.cli import main
from keras_din.serving.version.description import find_version, read_description
from keras_din.training import load_run


def a_log(rows=600):
    rng = np.random.default_rng(0)
    item = rng.integers(8, size=rows)
    click = rng.random(rows) < np.where(item < 4, 0.7, 0.3)
    bought = click & (rng.random(rows) < np.where(item % 2, 0.8, 0.2))
    columns = {"user": rng.integers(20, size=rows), "item": [f"i{i}" for i in item]}
    columns |= {"time": np.arange(rows) + 1_700_000_000}
    return pd.DataFrame(columns | {"click": click.astype(int), "bought": bought.astype(int)})


def run(*words):
    assert main([str(word) for word in words]) == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("given")
    log = a_log()
    log.loc[log.index[log["click"] == 0][:3], "bought"] = 1  # Without a click.
    log.to_csv(folder / "log.csv", index=False)
    columns = ["--user", "user", "--time", "time", "--target", "item", "--dim", "4"]
    columns += ["--label", "click,buy=bought", "--label-option", "buy:given=click"]
    run("prepare", folder / "log.csv", folder / "data", *columns)
    words = ["--model", "multi_task", "--option", "backbone=base", "--option", "head=mmoe"]
    words += ["--option", 'head_options={"units": [4]}', "--label-weights", "uncertainty"]
    words += ["--epochs", "1", "--batch-size", "64", "--learning-rate", "0.02", "--quiet"]
    run("train", folder / "data", folder / "run", *words)
    return folder


def test_rows_without_the_given_label_are_counted(folder, capsys, tmp_path):
    columns = ["--user", "user", "--time", "time", "--target", "item", "--dim", "4"]
    columns += ["--label", "click,buy=bought", "--label-option", "buy:given=click"]
    run("prepare", folder / "log.csv", tmp_path / "data", *columns)
    assert (
        "kept aside 3: 'bought' is 1 where 'click' is 0, first in line" in capsys.readouterr().out
    )
    assert load_run(folder / "run").spec.labels[1].given == "click"


def test_factor_is_predicted(folder, capsys, tmp_path):
    run("predict", folder / "run", folder / "data", tmp_path / "of_data.csv")
    found = pd.read_csv(tmp_path / "of_data.csv")
    assert "buy_given_ctr" in found
    np.testing.assert_allclose(found["buy_"], found["ctr"] * found["buy_given_ctr"], rtol=1e-4)
    assert "mean buy_given_ctr" in capsys.readouterr().out
    words = ["--user", "user", "--time", "time", "--label", "click", "--log-only"]
    run("predict", folder / "run", folder / "log.csv", tmp_path / "of_log.csv", *words)
    of_log = pd.read_csv(tmp_path / "of_log.csv")
    assert of_log["buy_given_ctr"].notna().all()


def test_version_is_inspected_and_checked(folder, capsys, tmp_path):
    formula = "click * buy ** 0.3 / (1 + buy_given_ctr)"
    run("export", folder / "run", tmp_path / "models", "--order-by", formula)
    description = read_description(find_version(tmp_path / "models"))
    assert description["order_by"] == formula
    capsys.readouterr()
    run("inspect", tmp_path / "models")
    printed = " ".join(capsys.readouterr().out.split())
    assert f"order of the signature rank: by {formula}" in printed
    assert "buy_given_ctr the probability of buy given click" in printed
    assert "buy_given_ctr float32 (batch,) (batch, candidates)" in printed
    run("check-serving", tmp_path / "models", folder / "data", "--run", folder / "run")
    printed = capsys.readouterr().out
    assert "the version and the live model give the same predictions" in printed
    assert "rank/buy_given_ctr" in printed
    words = ["export", str(folder / "run"), str(tmp_path / "models"), "--order-by", "click / buy"]
    assert main(words) == 1
    assert "at character 9: the divisor may be 0" in capsys.readouterr().err
    assert len(json.loads((folder / "run/result.json").read_text())["label_weights"]) == 2
