"""A column of weights is the sample weight of each row, in all parts and appended days."""

import numpy as np
import pandas as pd
import pytest

from keras_din.data import LastFraction, PreparedData, prepare_impressions, prepare_rows

WORDS: dict = {"user": "user", "time": "time", "label": "click", "target": ["item"], "dim": 4}
WORDS |= {"weight": "w", "split": LastFraction(valid=0, test=0.2)}


def a_log(rows=40, start=0):
    row = np.arange(start, start + rows)
    return pd.DataFrame(
        {
            "user": [f"u{n % 3}" for n in row],
            "item": [f"i{n % 5}" for n in row],
            "time": 1_700_000_000 + row * 60,
            "request": row // 2,
            "click": row // 3 % 2,
            "w": row / 8,
        }
    )


@pytest.mark.parametrize("request_column", [None, "request"])
def test_weights_of_impressions(request_column):
    log = a_log().assign(user=[f"u{n // 2 % 3}" for n in range(40)])
    data = prepare_impressions(log[::-1], **WORDS, request=request_column)
    for part in data.parts.values():
        np.testing.assert_array_equal(part.weight, (39 - part.line) / 8)
    weights = np.concatenate([w for *_, w in data.dataset("train").as_numpy_iterator()])
    assert sorted(weights.ravel()) == sorted(data.parts["train"].weight)
    assert np.ptp(weights) > 0


def test_bad_weights_are_kept_aside():
    log = a_log().astype({"w": object})
    log.loc[[3, 5, 6, 9, 11], "w"] = ["heavy", -1, np.inf, None, "2.5"]
    with pytest.raises(ValueError, match=r"3 of 40 rows.*'w' is not a weight, a finite number fr"):
        prepare_impressions(log, **WORDS)
    data = prepare_impressions(log, **WORDS, max_bad=0.2)
    assert {reason: facts["rows"] for reason, facts in data.report["rows_aside"].items()} == {
        "'w' is missing": 1,
        "'w' is not a weight, a finite number from 0": 3,
    }
    assert data.report["rows_aside"]["'w' is missing"]["first_line"] == 9
    assert 2.5 in data.parts["train"].weight
    words = {"label": "click", "target": ["item"], "sequences": (), "weight": "w", "dim": 4}
    of_rows = prepare_rows(log, **words, max_bad=0.2)
    assert of_rows.report["rows_aside"] == data.report["rows_aside"]
    assert sorted(of_rows.parts["train"].weight) == sorted(
        np.concatenate([part.weight for part in data.parts.values()])
    )


def test_weights_of_appended_days(tmp_path):
    prepare_impressions(a_log(), **WORDS).save(tmp_path / "data")
    day = a_log(10, start=40)
    data = PreparedData.load(tmp_path / "data").append(day)
    np.testing.assert_array_equal(sorted(data.days[0].samples.weight), day["w"])
    assert data.log_format.weight == "w"


def test_weights_of_files_of_which_one_is_known(tmp_path):
    files = [tmp_path / "1.csv", tmp_path / "2.csv"]
    a_log(10, start=40).to_csv(files[0], index=False)
    a_log(10, start=50).to_csv(files[1], index=False)
    data = prepare_impressions(a_log(), **WORDS).append(files[0]).append(files)
    np.testing.assert_array_equal(sorted(data.days[1].samples.weight), a_log(10, start=50)["w"])
