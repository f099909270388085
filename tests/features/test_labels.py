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


def test_options_of_a_label():
    label = kd.Label("watch", loss="weighted_logistic", weight=2)
    assert not label.is_binary
    assert label.is_not_negative
    assert kd.Label("click").is_binary
    assert repr(label) == "Label('watch', output='watch', loss='weighted_logistic', weight=2.0)"
    assert not kd.Label("score", loss="huber").is_not_negative
    huber = kd.Label("score", loss="huber", delta=30)
    assert huber.options == {"loss": "huber", "delta": 30.0}
    assert huber != kd.Label("score", loss="huber")
    labels = [kd.Label("click"), kd.Label("purchase", given="click"), label, huber]
    spec = kd.FeatureSpec(target=[ITEM], labels=labels)
    assert kd.FeatureSpec.from_json(spec.to_json()).labels == tuple(labels)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"loss": "hinge"}, r"`loss` of Label 'a' must be one of .* Received: loss='hinge'"),
        (
            {"delta": 2},
            r"`delta` of Label 'a' must be given with loss='huber', .* Received: delta=2.0 and lo",
        ),
        ({"loss": "huber", "delta": 0}, r"`delta` of Label 'a' must be a pos.* Received: delta=0"),
        ({"loss": "huber", "delta": "1"}, r"must be a positive number.* Received: delta='1'"),
        ({"weight": 0}, r"`weight` of Label 'a' must be a positive number.* Received: weight=0"),
        ({"weight": float("nan")}, r"must be a positive number.* Received: weight=nan"),
        ({"weight": True}, r"must be a positive number.* Received: weight=True"),
        ({"given": "b c"}, r"The name of a label must consist of .* Received: name='b c'"),
    ],
)
def test_label_raises_on_invalid_options(options, message):
    with pytest.raises(ValueError, match=message):
        kd.Label("a", **options)


@pytest.mark.parametrize(
    "labels, message",
    [
        (
            [kd.Label("a", given="c"), kd.Label("b")],
            r"`given` of Label 'a' must be the name of another label, \['b'\]\. "
            "Received: given='c'",
        ),
        ([kd.Label("a", given="a")], r"Received: 'a' given 'a'"),
        (
            [kd.Label("a", given="b"), kd.Label("b", given="c"), kd.Label("c", given="a")],
            r"must not lead back to the same label\. Received: 'a' given 'b' given 'c' given 'a'",
        ),
        (
            [kd.Label("a"), kd.Label("b", loss="mse", given="a")],
            r"requires two labels of 0 and 1.* Received: loss='mse' of Label 'b'",
        ),
        (
            [kd.Label("a", loss="huber"), kd.Label("b", given="a")],
            r"Received: loss='huber' of Label 'a'",
        ),
    ],
)
def test_given_raises_on_invalid_labels(labels, message):
    with pytest.raises(ValueError, match=message):
        kd.FeatureSpec(target=[ITEM], labels=labels)


def test_label_behind_a_cycle_is_an_error_of_the_cycle():
    labels = [kd.Label("x", given="a"), kd.Label("a", given="b"), kd.Label("b", given="a")]
    with pytest.raises(ValueError, match="must not lead back"):
        kd.FeatureSpec(target=[ITEM], labels=labels)
