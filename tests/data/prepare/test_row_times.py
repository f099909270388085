import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from keras_din.cli.sent_rows import sent_rows
from keras_din.data import prepare_rows, rows_dataset
from tests.data.pipeline.shared import numpy_batches

T = 1_700_000_000
ITEM = kd.Categorical("item", vocabulary=list("abc"), dim=2)
HOUR = kd.Calendar("hour_of_day", dim=2, time_zone="Europe/Berlin", time_unit="s")
AGO = kd.Elapsed("ago", dim=2, boundaries=[4, 50], time_unit="s")
HIST = kd.Sequence("hist", of=[ITEM], side_features=[AGO, HOUR], max_length=3)
SPEC = kd.FeatureSpec(context=[HOUR], target=[ITEM], sequences=[HIST])
ROWS = pd.DataFrame(
    {
        "item": ["a", "b", "c"],
        "hist_item": [["b"], ["a", "c"], []],
        "hist_time": [[T - 5], [T - 100, T - 3], []],
        "time": [T, T, T + 3600],
        "click": [1, 0, 1],
    }
)
DATES = ROWS.assign(
    time=pd.to_datetime(ROWS["time"], unit="s"),
    hist_time=[list(pd.to_datetime(times, unit="s")) for times in ROWS["hist_time"]],
)


def only_batch(data):
    ((x, *_),) = numpy_batches(data)
    return {name: values.tolist() for name, values in x.items()}


@pytest.mark.parametrize("rows", [ROWS, DATES], ids=["numbers", "dates"])
def test_rows_by_hand(rows):
    x = only_batch(rows_dataset(rows, SPEC, "click"))
    assert x["hist_ago"] == [[3, 0], [4, 2], [0, 0]]
    assert x["hour_of_day"] == [25, 25, 2]  # 23:13 and 00:13.
    assert x["hist_hour_of_day"] == [[25, 0], [25, 25], [0, 0]]
    sent = sent_rows(rows, SPEC)
    assert sent["time"].tolist() == [T, T, T + 3600]
    assert sent["hist_time"].tolist() == [[T - 5, 0], [T - 100, T - 3], [0, 0]]


def test_text_and_prepared_rows(tmp_path):
    expected = only_batch(rows_dataset(ROWS, SPEC, "click"))
    text = ROWS.copy()
    for name in ("hist_item", "hist_time"):
        text[name] = ["^".join(map(str, values)) for values in ROWS[name]]
    file = tmp_path / "rows.csv"
    text.to_csv(file, index=False)
    assert only_batch(rows_dataset(file, SPEC, "click", separator="^")) == expected
    features = {"target": [ITEM], "context": [HOUR], "side_features": [AGO, HOUR]}
    arguments = {"label": "click", "time": "at", "sequences": ["hist"], "max_length": 3, **features}
    data = prepare_rows(ROWS.rename(columns={"time": "at"}), **arguments)
    assert data.spec == SPEC
    assert only_batch(data.dataset("train")) == expected


@pytest.mark.parametrize(
    "columns, match",
    [
        ({"time": [T, None, T]}, "Column 'time' must hold a time in each row.* value 1"),
        (
            {"hist_time": [["soon"], ["1", "2"], []]},
            "Column 'hist_time' must hold a time.* 'soon', value 0",
        ),
        (
            {"hist_time": [[T - 5], [T - 3, T - 9], []]},
            "times of 'hist' must be in ascending.* row 1",
        ),
        ({"hist_time": [[T - 5], [T - 3], []]}, "lists of one sequence must have one length"),
    ],
)
def test_invalid_times(columns, match):
    with pytest.raises(ValueError, match=match):
        rows_dataset(ROWS.assign(**columns), SPEC, "click")


def test_missing_columns_of_times():
    with pytest.raises(ValueError, match=r"\['hist_time'\] are missing"):
        rows_dataset(ROWS.drop(columns="hist_time"), SPEC, "click")
    with pytest.raises(ValueError, match="require the column of times of the rows, `time`"):
        prepare_rows(ROWS, label="click", target=[ITEM], side_features=[AGO], sequences=["hist"])


def test_padding_needs_no_time():
    rows = ROWS.assign(
        hist_item=[["b", ""], ["a", "c"], []],
        hist_time=[np.array([T - 5, np.nan]), [T - 100, T - 3], []],
    )
    behaviors, _ = kd.data.rows_to_samples(rows, SPEC)
    assert (behaviors["hist"].time // 1_000_000).tolist() == [T - 5, T - 100, T - 3]
