"""`keras-din evaluate --calibration-by`: the numbers, the values of the log, and errors."""

import json

import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from keras_din.cli import main
from keras_din.cli.show import calibration_table
from keras_din.evaluation import predict
from keras_din.metrics import calibration_by_decile
from keras_din.training import run_click_rates, train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(0)
    tab = rng.choice(["home", "mail"], 400)
    log = pd.DataFrame(
        {
            "user": rng.integers(20, size=400),
            "item": rng.integers(5, size=400),
            "tab": tab,
            "price": rng.integers(10, size=400),
            "time": np.arange(400) * 1000,
            "click": (rng.random(400) < np.where(tab == "home", 0.5, 0.1)).astype(int),
        }
    )
    log.loc[395:, "tab"] = "new"  # Only in the test part.
    data = kd.data.prepare_impressions(
        log,
        user="user",
        time="time",
        label="click",
        target=["item"],
        context=["tab", kd.Bucketized("price", boundaries=[5])],
        split=kd.data.LastFraction(valid=0.1, test=0.5),
        dim=2,
    ).downsample_negatives(0.5)
    data.save(folder / "data")
    arguments = {"model": "lr", "epochs": 1, "positive_weight": 3, "verbose": 0}
    return train(data, folder / "run", **arguments, data_folder=str(folder / "data")), data


def test_calibration_by_feature_and_decile(run, stderr_is_terminal, capsys):
    run, data = run
    words = ["evaluate", str(run.folder), "--json"]
    by = [word for name in ("tab", "price", "decile") for word in ("--calibration-by", name)]
    capsys.readouterr()
    assert main([*words, *by]) == 0
    output = capsys.readouterr()
    printed = output.err
    assert "calibration by tab, with 95 % intervals of the click rate" in printed
    found = json.loads(output.out)["calibration_by"]
    p, labels, _ = predict(run.model, data.dataset("test"))
    p = p / (p + 6 * (1 - p))
    tabs = data.parts["test"].columns["tab"]
    entries = {entry["values"]: entry for entry in found["tab"]["ctr"]}
    assert list(entries) == [None, *data.spec.features["tab"].vocabulary]
    for value, entry in entries.items():
        index = 1 if value is None else 2 + data.spec.features["tab"].vocabulary.index(value)
        rows = tabs == index
        assert entry["rows"] == rows.sum()
        assert entry["predicted_rate"] == pytest.approx(p[rows].mean(), rel=1e-5)
        assert entry["click_rate"] == pytest.approx(labels[rows].mean())
        assert value is None or f"{entry['click_rate']:.4f} (" in printed
    assert "(unknown)" in printed
    assert [entry["values"] for entry in found["price"]["ctr"]] == ["[-inf, 5)", "[5, inf)"]
    # The predictions of the command, since rounding decides about ties.
    served = run_click_rates(run).model(run.model)
    deciles = calibration_by_decile(labels, predict(served, data.dataset("test")).predictions)
    np.testing.assert_allclose(
        [entry["calibration_high"] for entry in found["decile"]["ctr"] if entry["calibration"]],
        deciles.calibration_high[deciles.click_rate > 0],
        rtol=1e-4,
    )
    # In the training part, half of the negatives are missing in the labels too.
    assert main([*words, "--part", "train", "--calibration-by", "decile"]) == 0
    content = json.loads(capsys.readouterr().out)
    entries = pd.DataFrame(content["calibration_by"]["decile"]["ctr"])
    mean = np.average(entries.predicted_rate, weights=entries.rows)
    clicks = np.average(entries.click_rate, weights=entries.rows)
    assert mean / clicks == pytest.approx(content["calibration"], rel=1e-4)


def test_another_feature_is_refused(run, capsys):
    assert main(["evaluate", str(run[0].folder), "--calibration-by", "page"]) == 1
    message = "`--calibration-by` must be a Categorical or Bucketized of the context or target"
    assert message in capsys.readouterr().err


def test_table_has_the_values_with_most_rows():
    table = kd.metrics.calibration_by_value([0, 1, 1, 0, 1, 0], np.full(6, 0.5), list("abbccc"))
    text = calibration_table(pd.DataFrame(table._asdict()), most=2)
    assert [line.split()[0] for line in text.splitlines()] == ["value", "b", "c", "left"]
    assert text.endswith("left out: 1 value with 1 row")
