"""Features that a user adds to those of a published data set."""

import pytest

import keras_din as kd
from keras_din.data.datasets.further_features import with_features


def test_features_are_added_to_those_of_the_data_set():
    added = {"target": ["c"], "side_features": ["d"]}
    expected = {"target": ["a", "c"], "context": ["b"], "side_features": ["d"]}
    assert with_features(added, target=["a"], context=["b"]) == expected
    assert with_features(None, target=["a"]) == {"target": ["a"]}
    vectors = {"title": {"x": [1.0]}}
    assert with_features({"vectors": vectors}, target=["a"]) == {
        "target": ["a"],
        "vectors": vectors,
    }
    with pytest.raises(ValueError, match=r"must be a dict of .*Received: \['of'\]"):
        with_features({"of": []}, target=["a"])


def test_kuairand_with_features_of_times():
    hour = kd.Calendar("hour_of_day", time_zone="Asia/Shanghai")
    features = {"side_features": [kd.Elapsed("ago")], "context": [hour]}
    data = kd.data.load_kuairand(max_length=5, features=features)
    inputs = ["user_id", "tab", "hour_of_day", "video_id", "author_id", "tag"]
    behaviors = ["hist_video_id", "hist_author_id", "hist_tag", "hist_ago"]
    assert list(data.spec.inputs) == [*inputs, *behaviors]
    x, _ = next(iter(data.dataset("train", 64)))
    assert x["hist_ago"].numpy().max() > 2
