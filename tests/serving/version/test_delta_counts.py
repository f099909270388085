"""The counts of a delta: rows that changed, values that are new or removed."""

import json

import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.serving.version import delta_counts
from keras_din.serving.version.delta_counts import count_changes


def spec_of(items, **options):
    return kd.FeatureSpec(target=[kd.Categorical("item", vocabulary=items, dim=2, **options)])


@pytest.fixture
def count(tmp_path, monkeypatch):
    """A function that counts for variables, name -> array, and specs before and after."""

    def count(before, after, specs):
        folders = [tmp_path / "1", tmp_path / "2"]
        for folder, arrays in zip(folders, (before, after), strict=True):
            saved = tf.Module()
            saved.weights = [tf.Variable(array, name=name) for name, array in arrays.items()]
            tf.saved_model.save(saved, str(folder))
        of_folder = dict(zip(folders, specs, strict=True))
        described = lambda folder: {"spec": json.loads(of_folder[folder].to_json())}  # noqa: E731
        monkeypatch.setattr(delta_counts, "read_description", described)
        return count_changes(*folders)

    return count


def test_rows_are_compared_by_their_bytes(count):
    table = np.array([[0, 1], [np.nan, 1], [2, 3], [4, 5]], np.float32)
    grown = np.concatenate([table, np.ones((3, 2), np.float32)])
    grown[0, 0], grown[2] = -0.0, 7
    small = np.nan_to_num(table).astype(np.int8)
    names = ("a/embeddings", "b/int8_values", "c/embeddings", "d/embeddings", "e/int8_scales")
    before = dict(zip(names, (table, small, table, table, table[:, 0]), strict=True))
    after = dict(zip(names, (grown, small[:2], table[:, :1], table, table[:, 1]), strict=True))
    after["f/embeddings"] = table
    found = count(before, after, [spec_of(["x"]), spec_of(["x"])])["tables"]
    assert found == {
        "a": {"rows": 7, "changed": 2, "added": 3},
        "b": {"rows": 2, "changed": 0, "added": 0},
        "d": {"rows": 4, "changed": 0, "added": 0},
    }


def test_values_of_vocabularies(count):
    before, after = ["x", None, "y", "z"], ["x", "v", "w", None, "u"]
    specs = [spec_of(values, capacity=6) for values in (before, after)]
    found = count({}, {}, specs)
    assert found == {"tables": {}, "values": {"item": {"new": 3, "removed": 2}}}
    assert count({}, {}, [specs[0], spec_of(["x"], capacity=6)])["values"] == {
        "item": {"new": 0, "removed": 2}
    }


def test_specs_that_differ_in_more_than_values_have_no_counts(count):
    other = kd.FeatureSpec(target=[kd.Categorical("item", 9, dim=2)])
    assert count({}, {}, [spec_of(["x"]), other])["values"] == {}
    assert count({}, {}, [other, other])["values"] == {}
