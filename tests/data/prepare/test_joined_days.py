"""Base data and appended days as one data set."""

import numpy as np
import pandas as pd
import pytest

from keras_din.data import PreparedData, prepare_impressions
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


def test_requests_of_a_smaller_day_stay_apart():
    log = a_day(0, rows=64).assign(request=np.arange(64))
    data = prepared(log, request="request", split=all_train)
    for day in range(1, 4):
        data = data.append(a_day(day, rows=8).assign(request=np.arange(8)))
    requests = data.joined().parts["train"].request
    assert len(np.unique(requests)) == len(requests) == 64 + 3 * 8


def test_drawn_rows_of_a_request_share_their_history():
    log = a_day(0, rows=64)
    log["request"] = log.groupby("user").cumcount() // 4
    data = prepared(log, request="request", split=all_train)
    data = data.append(a_day(1, rows=32).assign(request=np.arange(32)))
    drawn = data.day_with_replay(0, 0.5, seed=0)
    samples = drawn.parts["train"]
    assert len(samples) == 64
    requests, sizes = np.unique(samples.request, return_counts=True)
    assert sizes.max() > 1
    for start_or_end in samples.history["hist"]:
        for request in requests:
            assert len(set(start_or_end[samples.request == request])) == 1
    # Each drawn row has the last items of its own history.
    known = rows(PreparedData(data.spec, data.behaviors, data.parts, {}), "train")
    known += rows(data.day(0), "train")
    assert set(rows(drawn, "train")) <= set(known)
    shown = sum(y.shape[0] for _, y, *_ in drawn.dataset("train", by_request=True))
    assert shown == len(requests)
