"""Labels and the names of their outputs."""

import json

import pytest

import keras_din as kd
from keras_din.features.labels import label_tuple

ITEM = kd.Categorical("item", 5)
TWO = [kd.Label("click"), kd.Label("purchase", output="cvr")]


def test_spec_has_the_label_click_by_default():
    spec = kd.FeatureSpec(target=[ITEM])
    assert spec.labels == (kd.Label("click", output="ctr"),)
    assert spec.outputs == ("ctr",)
    assert "label" not in spec.to_json()
    assert "label" not in repr(spec)


def test_default_output_of_a_label():
    assert kd.Label("like").output == "like"
    assert kd.Label("click").output == "ctr"
    assert kd.Label("click", output="p").output == "p"
    assert repr(kd.Label("like", output="p")) == "Label('like', output='p')"


def test_json_round_trip_with_several_labels():
    spec = kd.FeatureSpec(target=[ITEM], labels=TWO)
    assert spec.outputs == ("ctr", "cvr")
    assert kd.FeatureSpec.from_json(spec.to_json()) == spec
    assert json.loads(spec.to_json())["format"] == 3  # 0.1 refuses it.
    assert "cvr" in repr(spec)
    assert kd.FeatureSpec(target=[ITEM], labels=["click", "like"]).outputs == ("ctr", "like")


@pytest.mark.parametrize(
    "labels, message",
    [
        ([], r"`labels` of a FeatureSpec must be a list of `Label` .* Received: labels=\[\]"),
        ([3], r"`labels` of a FeatureSpec must contain `Label` objects or names\. Received: 3"),
        (["click", "click"], r"The names of the labels must be unique\. Received: 'click' twice"),
        (
            [kd.Label("a", output="p"), kd.Label("b", output="P")],
            r"The names of the model's outputs must be unique\. Received: 'p' twice",
        ),
    ],
)
def test_label_tuple_raises_on_invalid_labels(labels, message):
    with pytest.raises(ValueError, match=message):
        label_tuple("a FeatureSpec", labels)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("a b",), r"The name of a Label must consist of ASCII .* Received: name='a b'"),
        (("a", "b-c"), r"The name of a label's output must consist of .* Received: name='b-c'"),
        (("a", "order"), r"must not be 'order', .* Received: output='order'"),
    ],
)
def test_label_raises_on_invalid_names(arguments, message):
    with pytest.raises(ValueError, match=message):
        kd.Label(*arguments)
