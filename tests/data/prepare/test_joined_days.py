"""Base data and appended days as one data set."""

import numpy as np
import pandas as pd
import pytest

from keras_din.data import prepare_impressions
from tests.data.prepare.shared import a_day, histories, raw

COLUMNS = {"user": "user", "time": "time", "label": "click", "dim": 4, "max_length": 3}


def all_train(user, position, count, time):
    return np.zeros(len(user), int)


def prepared(log, **options):
    return prepare_impressions(log, target=["item"], **COLUMNS, **options)


def rows(data, part):
    """The rows of a part: item, last three items of the history, label."""
    items = raw(data, part, "item")
    history = [tuple(each[-3:]) for each in histories(data, part)]
    return sorted(zip(items, history, data.parts[part].label.tolist(), strict=True))


def test_rows_are_those_of_one_log():
    logs = [a_day(day) for day in range(3)]
    data = prepared(logs[0], split=all_train)
    joined = data.append(logs[1]).append(logs[2]).joined()
    whole = prepared(pd.concat(logs), split=all_train)
    known = set(joined.spec.features["item"].vocabulary)
    assert known == set(whole.spec.features["item"].vocabulary)
    assert list(joined.parts) == ["train"]
    # The base data has no rows of values that came later, so all values are known in all rows.
    assert "?" not in raw(joined, "train", "item")
    assert rows(joined, "train") == rows(whole, "train")
    groups = [
        (g, i)
        for g, i in zip(joined.parts["train"].group, raw(joined, "train", "item"), strict=True)
    ]
    expected = [
        (g, i) for g, i in zip(whole.parts["train"].group, raw(whole, "train", "item"), strict=True)
    ]
    assert sorted(groups) == sorted(expected)
    assert sum(len(y) for _, y in joined.dataset("train", batch_size=7)) == 48


def test_last_days_are_validation():
    data = prepared(a_day(0)).append(a_day(1)).append(a_day(2))
    joined = data.joined(valid_days=1)
    assert rows(joined, "valid") == rows(data.day(-1), "train")
    assert len(joined.parts["train"]) == 32
    with pytest.raises(ValueError, match="at least `valid_days`"):
        data.joined(valid_days=3)


def test_requests_stay_apart():
    log = a_day(0).assign(request=np.arange(16) // 4, user="u0")
    log["time"] = log.groupby("request")["time"].transform("min")
    data = prepared(log, request="request", duplicates="keep")
    later = log.assign(time=log["time"] + 86_400)
    joined = data.append(later).joined()
    _, sizes = np.unique(joined.parts["train"].request, return_counts=True)
    assert sizes.tolist() == [4] * 8


def test_rows_without_a_weight_have_the_weight_1():
    data = prepared(a_day(0)).weight_by_recency(0.1)
    parts = len(data.parts["valid"]) + len(data.parts["test"])
    joined = data.append(a_day(1)).joined().parts["train"]
    assert joined.weight.tolist() == [*data.parts["train"].weight, *np.ones(16 + parts)]
