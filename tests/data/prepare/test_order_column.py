"""Logs with an order instead of times: reports and splits show the order, not dates."""

import numpy as np
import pandas as pd
import pytest

from keras_din.cli import main
from keras_din.data import (
    ByTime,
    LeaveOneOut,
    PreparedData,
    prepare_impressions,
    prepare_interactions,
)

COLUMNS = {"user": "user", "order": "step", "target": ["item"]}


def a_log(**changes):
    columns = {
        "user": ["a", "b"] * 6,
        "step": [7, 7, 5, 5, 9, 9, 1, 1, 3, 3, 2**53 + 1, 2**53 + 1],
        "item": list("xyzxyzxyzxyz"),
        "click": [1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1],
    }
    return pd.DataFrame(columns | changes)


@pytest.mark.parametrize("form", ["csv", "frame"])
def test_report_of_an_order(tmp_path, form):
    log = a_log()
    if form == "csv":
        log.to_csv(tmp_path / "log.csv", index=False)
        log = tmp_path / "log.csv"
    split, items = LeaveOneOut(valid=0), pd.DataFrame({"item": list("xyzw")})
    for data in (
        prepare_impressions(log, **COLUMNS, label="click", split=split),
        prepare_interactions(log, **COLUMNS, items=items, split=split),
    ):
        assert data.report["time_unit"] == "order"
        assert (data.report["order_from"], data.report["order_to"]) == (1, 2**53 + 1)
        assert not {"time_from", "time_to"} & set(data.report)
        assert data.parts["test"].time.tolist()[0] == 2**53 + 1
    data = prepare_impressions(log, **COLUMNS, label="click", split=split)
    test = data.parts["test"]
    (user,) = np.flatnonzero(test.label == 0)  # Of user a, with clicks at 1, 3, 5 and 7.
    start, end = (bounds[user] for bounds in test.history["hist"])
    names = (None, "?", *data.spec.features["item"].vocabulary)
    history = [names[i] for i in data.behaviors["hist"].columns["item"][start:end]]
    assert history == ["x", "z", "z", "x"]


def test_split_of_an_order():
    split = ByTime(test_from=7)
    data = prepare_impressions(a_log(), **COLUMNS, label="click", split=split)
    assert sorted(data.parts["test"].time.tolist()) == [7, 7, 9, 9, 2**53 + 1, 2**53 + 1]


def test_empty_part_of_an_order():
    log, words = a_log(), {**COLUMNS, "label": "click"}
    message = rf"none for \['valid'\].*; the rows are in the order 1 to {2**53 + 1}\."
    with pytest.raises(ValueError, match=message):
        prepare_impressions(log, **words, split=ByTime(valid_from=6, test_from=7))
    with pytest.raises(
        ValueError, match=rf"for training\..*; the rows are in the order 1 to {2**53 + 1}"
    ):
        prepare_impressions(log, **words, split=ByTime(test_from=0))


def test_order_has_no_days():
    data = prepare_impressions(a_log(), **COLUMNS, label="click", split=LeaveOneOut(valid=0))
    with pytest.raises(
        ValueError, match=r"requires times.* Received: data whose rows have an order"
    ):
        data.weight_by_recency(3)


@pytest.mark.parametrize(
    "step, first",
    [([*range(11), 1.5], r"1\.5 in line 11"), ([*map(str, range(11)), "x"], "'x' in line 11")],
)
def test_order_must_be_whole_numbers(step, first):
    log = a_log(step=step)
    with pytest.raises(ValueError, match=f"'step' is not a whole number, as an order is.* {first}"):
        prepare_impressions(log, **COLUMNS, label="click")
    data = prepare_impressions(log, **COLUMNS, label="click", max_bad=0.2)
    assert data.bad_rows["line"].tolist() == [11]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"order": None}, r"Either `time` or `order` must .* Received: time=None, order=None\."),
        ({"time": "step"}, "Either `time` or `order` must .* Received: time='step', order='step'"),
        (
            {"time_unit": "s"},
            "`order` must be given without .* Received: time_unit='s', time_format=N",
        ),
        (
            {"time_format": "%Y"},
            "`order` must be given without .* time_unit='auto', time_format='%Y'",
        ),
    ],
)
def test_time_and_order_exclude_each_other(options, message):
    for prepare in (prepare_impressions, prepare_interactions):
        label = {"label": "click"} if prepare is prepare_impressions else {}
        with pytest.raises(ValueError, match=message):
            prepare(a_log(), **(COLUMNS | label | options))


def test_order_on_the_command_line(tmp_path, capsys):
    a_log().to_csv(tmp_path / "log.csv", index=False)
    words = ["prepare", str(tmp_path / "log.csv"), str(tmp_path / "data"), "--user", "user"]
    words += ["--label", "click", "--target", "item", "--split", "by-time", "--test-from", "7"]
    assert main(words) == 1
    assert "Either `time` or `order` must name a column" in capsys.readouterr().err
    assert main([*words, "--order", "step"]) == 0
    assert f"of 2 users, in the order 1 to {2**53 + 1}\n" in capsys.readouterr().out
    assert len(PreparedData.load(tmp_path / "data").parts["test"]) == 6
    log = a_log(step=list(range(12)))
    log.to_csv(tmp_path / "log.csv", index=False)
    assert main([*words, "--time", "step", "--overwrite"]) == 0
    assert "an order instead of times, name it in `order` (--order)" in capsys.readouterr().out
