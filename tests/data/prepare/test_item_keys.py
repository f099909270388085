"""Data of behaviors that was saved with an item per behavior, before there were `MetItems`."""

import json

import numpy as np
import pandas as pd
import pytest

from keras_din.data import PreparedData, append_to_folder, prepare_interactions
from tests.data.prepare.shared import a_day

COLUMNS = {"user": "user", "time": "time", "target": ["item"], "dim": 2, "max_length": 3}
# All rows are training rows, so no item is out-of-vocabulary.
COLUMNS["split"] = lambda user, position, count, time: np.zeros(len(user), int)


def log(day):
    return a_day(day, items=12)[["user", "time", "item"]]


@pytest.fixture
def older(tmp_path):
    """A folder with a day, in the layout of before."""
    folder = tmp_path / "data"
    prepare_interactions(log(0), **COLUMNS).save(folder)
    data = append_to_folder(folder, log(1))
    key = pd.Series(data.catalog.key, data.catalog.items)
    entries = data.spec.features["item"].vocabulary
    day, of_day = folder / "days" / "000001", data.days[0]
    days = [(folder, data.behaviors["hist"], slice(None))]
    days += [(day, of_day.behaviors["hist"], of_day.is_own["hist"])]
    for path, behaviors, is_own in days:
        keys = np.zeros(len(behaviors), np.uint64)
        items = behaviors.columns["item"][is_own] - 2
        keys[is_own] = key[[entries[item] for item in items]]
        np.save(path / "item_keys.npy", keys)
    for file in (folder / "days").glob("met_items-*.npy"):
        file.unlink()
    header = json.loads((folder / "days" / "days.json").read_text())
    del header["met_items"]
    (folder / "days" / "days.json").write_text(json.dumps(header))
    return folder


def test_days_are_appended_as_before(older, tmp_path):
    data = prepare_interactions(log(0), **COLUMNS).append(log(1))
    loaded = PreparedData.load(older)
    pairs = [np.concatenate(list(d.known_met_items.arrays.values())) for d in (data, loaded)]
    assert sorted(pairs[0]) == sorted(pairs[1])
    loaded.save(tmp_path / "copy")
    for expected in (data.append(log(2)), data.append(log(2)).append(log(3))):
        day = len(expected.days)
        for folder in (older, tmp_path / "copy"):
            found = append_to_folder(folder, log(day))
            assert len(found.days) == day
            assert max(PreparedData.load(folder).met_items.arrays) == day
            negatives = [each.days[-1].samples.columns["item"] for each in (found, expected)]
            np.testing.assert_array_equal(*negatives)
