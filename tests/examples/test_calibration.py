"""The table of calibration: the command on a few rows, with new and with given runs."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from examples.calibration import __main__ as calibration
from examples.reproduce.sources import SOURCES
from keras_din import metrics
from keras_din.data import PreparedData, load_kuairand


@pytest.fixture
def small(monkeypatch):
    data = load_kuairand(max_length=5)
    parts = {part: samples[:1500] for part, samples in data.parts.items()}
    few = PreparedData(data.spec, data.behaviors, parts, data.report)
    source = dataclasses.replace(
        SOURCES["kuairand"], load=lambda folder, paper: few, training={"epochs": 1, "verbose": 0}
    )
    monkeypatch.setitem(calibration.SOURCES, "kuairand", source)
    return few


# A few rows and one epoch make no good model.
@pytest.mark.filterwarnings("ignore:method='platt' uses the slope:UserWarning")
def test_command(small, tmp_path, capsys):
    calibration.main(["kuairand", "--out", str(tmp_path)])
    table = pd.read_csv(tmp_path / "results.csv")
    assert list(table["method"]) == list(calibration.METHODS)
    assert (table["ece after"] < table["ece before"] + 0.05).all()
    assert (table["GAUC change"].abs() < 1e-3).all()
    assert set(table["goal"]) <= {"yes", "no"}
    assert "calibration before" in capsys.readouterr().out
    # The run that is there is read, also by its folder.
    given = tmp_path / "given"
    words = ["kuairand", "--runs", str(tmp_path), "--by", "tab", "--out", str(given)]
    calibration.main(words)
    by_tab = pd.read_csv(given / "results.csv")
    assert set(by_tab["by"]) == {"tab"}
    assert list(by_tab["logloss before"]) == pytest.approx(list(table["logloss before"]))
    with pytest.raises(SystemExit):
        calibration.main(["beauty"])
    assert "--folder is required" in capsys.readouterr().err


def test_noise_is_the_error_of_exact_click_rates():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.2, 0.4, 4000)
    found = [
        metrics.expected_calibration_error((rng.random(4000) < p).astype(int), p) for _ in range(40)
    ]
    labels = (rng.random(4000) < p).astype(int)
    assert np.mean(found) == pytest.approx(calibration.noise(labels), rel=0.1)


def test_same_days_by_hand(small):
    day = 86_400_000_000
    time = {"valid": [0, day], "test": [5, day + 5, 2 * day, 3 * day]}
    parts = {
        name: dataclasses.replace(small.parts[name][: len(each)], time=each)
        for name, each in time.items()
    }
    assert calibration.same_days(dataclasses.replace(small, parts=parts)) == 0.5
