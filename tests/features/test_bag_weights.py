"""Bags with weights in specs: inputs, JSON, fingerprint, and what must hold."""

import dataclasses

import pytest

import keras_din as kd
from keras_din.features import BagWeights
from keras_din.spec_fingerprint import differences, fingerprint

ITEM = kd.Categorical("item", 9)
TAGS = kd.Bag("tags", 7, weights="tag_scores", max_values=3)


def make_spec(**words):
    words = {"target": [ITEM, TAGS], "sequences": [kd.Sequence("hist", of=[ITEM, TAGS])]} | words
    return kd.FeatureSpec(**words)


def test_weights_are_inputs_and_no_features():
    spec = make_spec(context=[kd.Bag("words", 5, pooling="sum", weights="counts")])
    assert list(spec.features) == ["words", "item", "tags"]
    assert list(spec.fields) == ["words", "item", "tags", "hist_item", "hist_tags"]
    names = ["words", "counts", "item", "tags", "tag_scores"]
    names += ["hist_item", "hist_tags", "hist_tag_scores"]
    assert list(spec.inputs) == list(spec.raw_inputs) == names
    info = spec.inputs["hist_tag_scores"]
    assert info.feature == BagWeights("tag_scores", "tags", max_values=3)
    assert (info.role, info.sequence) == ("behavior", spec.sequences[0])
    assert info.feature.raw_dtype == info.feature.input_dtype == "float32"


def test_json_and_repr():
    spec = make_spec()
    assert kd.FeatureSpec.from_json(spec.to_json()) == spec
    assert "weights='tag_scores'" in repr(spec)
    assert '"weights"' not in make_spec(target=[ITEM, kd.Bag("tags", 7)], sequences=[]).to_json()


def test_fingerprint_has_the_name_of_the_weights():
    spec = make_spec()
    assert differences(fingerprint(spec), make_spec()) == []
    for weights in ("other", None):
        tags = dataclasses.replace(TAGS, weights=weights)
        other = make_spec(target=[ITEM, tags], sequences=[kd.Sequence("hist", of=[ITEM, tags])])
        (how,) = differences(fingerprint(spec), other)
        assert f"its `weights` is 'tag_scores' in the model, {weights!r} in the spec" in how
        (how,) = differences(fingerprint(other), spec)
        assert f"its `weights` is {weights!r} in the model, 'tag_scores' in the spec" in how


@pytest.mark.parametrize(
    "words, match",
    [
        ({"weights": "a b"}, "The name of a column of weights must consist of .*name='a b'"),
        ({"weights": 3}, "The name of a column of weights must consist of .*name=3"),
        ({"weights": "tags"}, "`weights` of Bag 'tags' must name another column. .*'tags'"),
        (
            {"weights": "w", "pooling": "max"},
            "`pooling` of Bag 'tags' must be 'mean' or 'sum' with `weights`.*pooling='max'",
        ),
    ],
)
def test_invalid_weights(words, match):
    with pytest.raises(ValueError, match=match):
        kd.Bag("tags", 7, **words)


@pytest.mark.parametrize("word", ["context", "side_features"])
def test_weights_must_be_no_feature(word):
    score = kd.Numeric("tag_scores")
    sequence = kd.Sequence("hist", of=[ITEM], side_features=[score] * (word == "side_features"))
    match = r"`weights` of Bag 'tags' must name a column that is no feature.*'tag_scores'"
    with pytest.raises(ValueError, match=match):
        make_spec(sequences=[sequence], context=[score] * (word == "context"))


def test_two_bags_must_not_share_weights():
    other = kd.Bag("words", 7, weights="tag_scores")
    match = r"Each Bag must have its own column of `weights`.*'tag_scores' of 'words' and of 'tags'"
    with pytest.raises(ValueError, match=match):
        make_spec(context=[other])


def test_a_vocabulary_must_be_given_or_learned():
    tags = kd.Bag("tags", weights="tag_scores", max_values=2)
    assert tags.to_learn == ("vocabulary",)
    assert repr(tags) == "Bag('tags', pooling='mean', weights='tag_scores', max_values=2)"
    assert dataclasses.replace(tags, max_values=5).to_learn == ("vocabulary",)
    learned = dataclasses.replace(tags, vocabulary=["a"])
    assert learned == kd.Bag("tags", vocabulary=["a"], weights="tag_scores", max_values=2)
    assert learned.to_learn == ()
    match = r"`vocabulary` of Bag 'tags' must be given, or learned.*Received: Bag\('tags', pooling="
    for use in (lambda: kd.FeatureSpec(target=[ITEM, tags]), lambda: tags.values):
        with pytest.raises(ValueError, match=match):
            use()
    with pytest.raises(ValueError, match=r"`dim` of Bag 'tags' must be given with .*'tags': 8"):
        kd.Bag("tags", dim=8)
