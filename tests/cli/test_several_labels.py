"""All commands on a log with two labels."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from keras_din.cli import main
from keras_din.cli.prepare import _label
from keras_din.data import PreparedData
from keras_din.evaluation import predict
from keras_din.training import load_run, read_arguments


def a_log(rows=1200):
    rng = np.random.default_rng(0)
    item = rng.integers(8, size=rows)
    return pd.DataFrame(
        {
            "user": rng.integers(30, size=rows),
            "item": [f"i{i}" for i in item],
            "time": np.arange(rows) + 1_700_000_000,
            "click": (rng.random(rows) < np.where(item < 4, 0.7, 0.3)).astype(int),
            "bought": (rng.random(rows) < np.where(item % 2, 0.8, 0.2)).astype(int),
        }
    )


def run(*words):
    assert main([str(word) for word in words]) == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    a_log().to_csv(folder / "log.csv", index=False)
    columns = ["--user", "user", "--time", "time", "--target", "item", "--dim", "4"]
    run("prepare", folder / "log.csv", folder / "data", *columns, "--label", "click,buy=bought")
    words = ["--model", "base", "--option", "hidden_units=[8]", "--epochs", "2"]
    words += ["--batch-size", "64", "--learning-rate", "0.02", "--monitor", "buy_gauc", "--quiet"]
    run("train", folder / "data", folder / "run", *words, "--mini-batch-aware-l2", "0")
    return folder


def test_label_arguments():
    assert _label("click") == "click"
    assert _label("click,like") == ["click", "like"]
    assert _label("click,buy=bought") == {"click": "click", "buy": "bought"}


def test_a_map_for_one_label(tmp_path, capsys):
    log = a_log()
    log["bought"] = log["bought"].astype(object).where(log["bought"] == 1, None)
    log["click"] = log["click"].map({0: -1, 1: 1})
    log.to_csv(tmp_path / "log.csv", index=False)
    words = ["prepare", tmp_path / "log.csv", tmp_path / "data", "--user", "user", "--time", "time"]
    words = [*map(str, words), "--target", "item", "--label", "click,buy=bought"]
    words += ["--label-map-of", "click:-1=0"]
    assert main(words) == 1
    (remedy,) = re.findall(r"`--label-map-of (\S+)`", capsys.readouterr().err)
    assert main([*words, "--label-map-of", remedy]) == 0
    filled = (log["bought"] != 1).sum()
    assert f"missing values of 'bought' that count as 0: {filled}" in capsys.readouterr().out
    data = PreparedData.load(tmp_path / "data")
    for name, column in (("click", "click"), ("buy", "bought")):
        positives = sum(part.labels[name].sum() for part in data.parts.values())
        assert positives == a_log()[column].sum()
    assert main([*words, "--label-map", "=0"]) == 1
    assert "`--label-map` must not be given with `--label-map-of`" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*words, "--label-map-of", "=0"])
    assert "must be the name of a label and its values" in capsys.readouterr().err


def test_run_has_metrics_of_each_label(folder):
    spec = PreparedData.load(folder / "data").spec
    assert spec.outputs == ("ctr", "buy")
    run_ = load_run(folder / "run")
    assert read_arguments(folder / "run")["arguments"]["monitor"] == "buy_gauc"
    metrics = pd.read_csv(folder / "run/metrics.csv")
    assert metrics["buy_gauc"].max() == run_.result["valid"]["buy_gauc"]
    assert {"ctr_auc", "buy_auc"} <= set(run_.result["test"])


def test_run_is_resumed(folder, tmp_path):
    words = ["--model", "base", "--option", "hidden_units=[8]", "--quiet", "--monitor", "buy_gauc"]
    run("train", folder / "data", tmp_path / "run", *words, "--epochs", "1")
    run("train", folder / "data", tmp_path / "run", "--resume", "--epochs", "2", "--quiet")
    assert len(pd.read_csv(tmp_path / "run/metrics.csv")) == 3


def test_each_label_is_evaluated(folder, capsys, stderr_is_terminal):
    capsys.readouterr()
    run("evaluate", folder / "run", "--json")
    printed = capsys.readouterr()
    assert "test ctr" in printed.err
    assert "buy: 120 rows" in printed.err
    found = json.loads(printed.out)
    data, run_ = PreparedData.load(folder / "data"), load_run(folder / "run")
    scores = predict(run_.model, data.dataset("test")).predictions["buy"]
    expected = roc_auc_score(data.parts["test"].labels["buy"], scores)
    assert found["buy_auc"] == pytest.approx(expected, abs=1e-6)


def test_each_output_is_predicted(folder, capsys, tmp_path):
    run("predict", folder / "run", folder / "data", tmp_path / "of_data.csv")
    of_data = pd.read_csv(tmp_path / "of_data.csv")
    assert list(of_data) == ["line", "user", "item", "time", "click", "buy", "ctr", "buy_"]
    assert set(of_data["buy"]) == {0, 1}  # The label; its output has the same name.
    assert "the output 'buy' are in the column 'buy_'" in capsys.readouterr().out
    words = ["--user", "user", "--time", "time", "--label", "click", "--log-only"]
    run("predict", folder / "run", folder / "log.csv", tmp_path / "of_log.csv", *words)
    of_log = pd.read_csv(tmp_path / "of_log.csv")
    assert list(of_log) == ["user", "item", "time", "click", "bought", "ctr", "buy"]
    by_line = of_log.set_index(of_log.index + 2)
    for name, in_data in (("ctr", "ctr"), ("buy", "buy_")):
        found, expected = by_line.loc[of_data["line"], name], of_data[in_data]
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert "mean ctr" in capsys.readouterr().out
    # A log whose label has the name of its output.
    log = a_log().rename(columns={"bought": "buy"})
    log.to_csv(tmp_path / "log.csv", index=False)
    run("predict", folder / "run", tmp_path / "log.csv", tmp_path / "named.csv", *words)
    named = pd.read_csv(tmp_path / "named.csv")
    pd.testing.assert_frame_equal(named[list(log)], log)
    assert list(named) == [*log, "ctr", "buy_"]
    assert named["buy_"].tolist() == of_log["buy"].tolist()


def test_export_inspect_and_check_serving(folder, capsys, tmp_path, checked_by_one_process):
    run("export", folder / "run", tmp_path / "models", "--order-by", "buy")
    run("inspect", tmp_path / "models")
    printed = capsys.readouterr().out
    assert re.search("^order +of the signature rank: by buy$", printed, re.MULTILINE)
    assert "buy: the click rate of the log" in printed
    assert "buy float32 (batch,) (batch, candidates)" in " ".join(printed.split())
    assert "test buy" in printed
    assert "rank/buy" in printed
    run("check-serving", tmp_path / "models", folder / "data", "--run", folder / "run")
    assert "the version and the live model give the same predictions" in capsys.readouterr().out
