"""Entries of a file of features: every registered kind, and errors with the feature's name."""

import dataclasses

import pytest

import keras_din as kd
from keras_din.features import KINDS, Feature, feature_from_entry, is_entry, places_of_entry


def test_features_of_entries():
    ago = feature_from_entry("ago", {"type": "Elapsed", "boundaries": [60, 3600], "dim": 3})
    assert ago == kd.Elapsed("ago", boundaries=[60, 3600], dim=3)
    hour = {"type": "Calendar", "part": "hour_of_day", "time_zone": "+01:00", "in": ["context"]}
    expected = kd.Calendar("hour_of_day", name="hour", time_zone="+01:00", dim=5)
    assert feature_from_entry("hour", hour, dim=5) == expected
    numeric = feature_from_entry("price", {"type": "Numeric", "mean": 2.0}, dim=5)
    assert numeric == kd.Numeric("price", mean=2.0)
    shared = feature_from_entry("last", {"type": "Categorical", "table": "item"}, dim=5)
    assert shared == kd.Categorical("last", table="item")
    assert is_entry(hour)
    assert not is_entry({"bag": "|"})
    assert not is_entry("numeric")


def test_a_new_kind_needs_no_change(monkeypatch):
    @dataclasses.dataclass(frozen=True)
    class Toy(Feature):
        size: int = 2

    monkeypatch.setitem(KINDS, "Toy", Toy)
    assert feature_from_entry("x", {"type": "Toy", "size": 7, "in": "target"}) == Toy("x", 7)


def test_places():
    assert places_of_entry("x", {"type": "Elapsed"}) == ()
    assert places_of_entry("x", {"type": "Elapsed", "in": "side_features"}) == ("side_features",)
    twice = {"type": "Calendar", "in": ["target", "context", "target"]}
    assert places_of_entry("x", twice) == ("target", "context")


@pytest.mark.parametrize(
    "entry, message",
    [
        ({"type": "Elapse"}, r"`type` of the feature 'x' must be one of .*'Elapsed'.*: 'Elapse'"),
        ({"type": ["Elapsed"]}, r"must be one of .* Received: \['Elapsed'\]"),
        (
            {"type": "Elapsed", "dims": 3},
            r"arguments of the Elapsed 'x' must be some of \['dim', .*Received: \['dims'\]",
        ),
        ({"type": "Elapsed", "name": "y"}, r"must be some of .* Received: \['name'\]"),
        ({"type": "Calendar"}, r"Calendar 'x' must have the arguments \['part'\].*\['part'\]"),
        ({"type": "Elapsed", "dim": 0}, "`dim` of Elapsed 'x' must be a positive integer"),
        ({"type": "Categorical", "table": 5}, "Categorical 'x'"),
        ({"type": "Elapsed", "in": ["targets"]}, r"`in` of the feature 'x'.*: \['targets'\]"),
        ({"type": "Elapsed", "in": 3}, "`in` of the feature 'x' must be a list .* Received: 3"),
        (
            {"type": "Elapsed", "in": ["context"]},
            r"`in` of the Elapsed 'x' must be some of \['side_features'\]. Received: 'context'",
        ),
    ],
)
def test_invalid_entries_raise(entry, message):
    with pytest.raises(ValueError, match=message):
        feature_from_entry("x", entry)


def test_the_width_of_a_learned_vocabulary_is_an_argument_of_prepare():
    bag = feature_from_entry("tags", {"type": "Bag", "weights": "w"}, dim=8)
    assert bag == kd.Bag("tags", weights="w")
    assert feature_from_entry("tags", {"type": "Bag", "vocabulary": ["a"]}, dim=8).dim == 8
