"""Pairs of training rows and their behaviors, against a loop."""

import dataclasses

import numpy as np

from keras_din.data import ByTime, prepare_impressions
from keras_din.data.prepare import training_pairs as module
from keras_din.data.prepare.training_pairs import training_pairs
from tests.data.prepare.shared import a_day


def test_pairs_match_a_loop(monkeypatch):
    log = a_day(0, rows=120)
    columns = {"user": "user", "time": "time", "label": "click", "target": ["item"]}
    split = ByTime(test_from=int(log["time"].iloc[-20]))
    data = prepare_impressions(log, **columns, split=split)
    samples = data.parts["train"]
    for max_length in (2, 100):
        sequence = dataclasses.replace(data.spec.sequences[0], max_length=max_length)
        rows, row, event = training_pairs(data, sequence)
        assert rows.tolist() == list(range(100))
        start, end = samples.history["hist"]
        expected = [
            (i, at) for i in range(100) for at in range(max(start[i], end[i] - max_length), end[i])
        ]
        assert list(zip(row.tolist(), event.tolist(), strict=True)) == expected
        assert len(expected) > 100
    monkeypatch.setattr(module, "_ROWS", 12)
    rows, row, _ = training_pairs(data, sequence)
    np.testing.assert_array_equal(rows, np.arange(12) * 9)
    assert row.max() == 11
