"""`Numeric` with a transform: arguments, JSON, fingerprint, the value of missing numbers."""

import dataclasses
import math

import numpy as np
import pytest

import keras_din as kd
from keras_din.embed import build_inputs, embed
from keras_din.features import LARGEST, FeatureSpec, Numeric
from keras_din.serving.checks.skew import spec_differences
from keras_din.spec_fingerprint import differences, fingerprint

ITEM = kd.Categorical("item", 9, dim=2)
LOG = Numeric("a", mean=2, std=0.5, transform="log1p")
CLIP = Numeric("a", mean=2, std=0.5, transform="clip", limits=(-1, 7))
QUANTILE = Numeric("a", mean=0.4, std=0.3, transform="quantile", knots=[0, 0, 0, 2, 8])
TRANSFORMED = [LOG, CLIP, QUANTILE]


def spec_of(feature):
    return FeatureSpec(target=[ITEM, feature])


def test_moments_are_0_and_1_if_they_are_not_given():
    assert Numeric("a").moments == (0, 1)
    assert Numeric("a").to_learn == ("mean", "std")
    assert Numeric("a", mean=3).to_learn == ("std",)
    assert Numeric("a", transform="clip", limits=(3, 9)).moments == (3, 1)
    assert Numeric("a", transform="clip", limits=(-9, -3)).moments == (-3, 1)
    assert Numeric("a", transform="quantile").to_learn == ("mean", "std", "knots")
    assert all(not feature.to_learn for feature in TRANSFORMED)


def test_fill_value_has_the_mean_as_its_transform():
    assert Numeric("a", mean=3, std=2).fill_value == 3
    assert CLIP.fill_value == 2
    assert LOG.fill_value == pytest.approx(math.e**2 - 1)
    assert dataclasses.replace(LOG, mean=-2).fill_value == pytest.approx(1 - math.e**2)
    # The positions of 0, 2 and 8 are 0, 0.75 and 1.
    assert QUANTILE.points == ((0, 2, 8), (0, 0.75, 1))
    assert QUANTILE.fill_value == pytest.approx(2 * 0.4 / 0.75)
    for mean in (0, 0.75, 0.9, 1):
        value = dataclasses.replace(QUANTILE, mean=mean).fill_value
        assert np.interp(value, *QUANTILE.points) == pytest.approx(mean)


def test_equal_knots_have_the_mean_of_their_positions():
    knots = [1, 1, 2, 2, 2, 3, 4, 4]
    feature = Numeric("a", transform="quantile", knots=knots)
    assert feature.points == ((1, 2, 3, 4), (0, 3 / 7, 5 / 7, 1))
    constant = Numeric("a", transform="quantile", knots=[5, 5, 5])
    assert constant.points == ((5,), (0,))
    assert constant.fill_value == 5
    # Numbers that are equal in float32.
    assert Numeric("a", transform="quantile", knots=[0, 2**24, 2**24 + 1]).points[0] == (0, 2**24)


@pytest.mark.parametrize("mean", [0, 88.722839, -88.722839])
def test_fill_value_is_a_float32(mean):
    value = Numeric("a", mean=mean, std=1, transform="log1p").fill_value
    assert abs(value) <= LARGEST


@pytest.mark.parametrize("feature", [*TRANSFORMED, Numeric("a"), Numeric("a", transform="log1p")])
def test_json(feature):
    spec = spec_of(feature)
    assert FeatureSpec.from_json(spec.to_json()) == spec
    assert "null" not in spec.to_json()
    assert hash(feature) == hash(dataclasses.replace(feature))


def test_json_of_earlier_versions():
    entry = {"name": "a", "mean": 0.0, "std": 1.0}
    assert Numeric.from_dict(entry, {}) == Numeric("a", mean=0, std=1)
    assert Numeric("a", mean=0, std=1).to_dict() == {"type": "Numeric", **entry}


def test_repr():
    assert repr(Numeric("a")) == "Numeric('a')"
    assert repr(Numeric("a", mean=0, std=1)) == "Numeric('a', mean=0, std=1)"
    assert repr(Numeric("a", transform="clip")) == "Numeric('a', transform='clip')"
    assert repr(CLIP) == "Numeric('a', transform='clip', mean=2, std=0.5, limits=(-1, 7))"
    expected = "Numeric('a', transform='quantile', mean=0.4, std=0.3, <5 knots from 0 to 8>)"
    assert repr(QUANTILE) == expected


def test_fingerprint():
    plain = Numeric("a", mean=2, std=0.5)
    assert plain.identity() == {"mean": 2.0, "std": 0.5}  # As in earlier versions.
    assert Numeric("a").identity() == {"mean": 0.0, "std": 1.0}
    for feature in TRANSFORMED:
        assert differences(fingerprint(spec_of(feature)), spec_of(feature)) == []
    (how,) = differences(fingerprint(spec_of(plain)), spec_of(LOG))
    assert "its transform is None in the model, 'log1p' in the spec" in how
    (how,) = differences(fingerprint(spec_of(LOG)), spec_of(plain))
    assert "its transform is 'log1p' in the model, None in the spec" in how
    (how,) = differences(
        fingerprint(spec_of(CLIP)), spec_of(dataclasses.replace(CLIP, limits=(-1, 8)))
    )
    assert "its limits is [-1.0, 7.0] in the model, [-1.0, 8.0] in the spec" in how


@pytest.mark.parametrize(
    "knots, expected",
    [
        ([*range(99), 200], "its knots[99] is 99 in the model, 200 in the spec"),
        (range(99), "its knots are 100 in the model, 99 in the spec"),
        ([1e-12, *range(1, 100)], "its knots[0] is 0 in the model, 1e-12 in the spec"),
    ],
)
def test_differences_of_long_lists_name_one_entry(knots, expected):
    before = Numeric("a", mean=0.5, std=0.1, transform="quantile", knots=list(range(100)))
    after = dataclasses.replace(before, knots=list(knots))
    (how,) = differences(fingerprint(spec_of(before)), spec_of(after))
    assert expected in how


def test_differences_of_a_version_name_one_entry():
    other = dataclasses.replace(QUANTILE, knots=[0, 0, 0, 3, 8])
    found = spec_differences(spec_of(QUANTILE), spec_of(other))
    assert found == ["a: knots is another; first at index 3: 2.0 in the version, 3.0 in the model"]


@pytest.mark.parametrize("transform, word", [("clip", "limits"), ("quantile", "knots")])
def test_a_model_requires_what_must_be_learned(transform, word):
    spec = spec_of(Numeric("a", transform=transform))  # A file of features may have it.
    message = f"`{word}` of Numeric 'a' must be given, or learned: pass .* `prepare_impressions`"
    for build in (kd.build_din, build_inputs, embed):
        with pytest.raises(ValueError, match=message):
            build(spec)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"transform": "log"}, "`transform` of Numeric 'a' must be one of None, 'log1p'.*'log'"),
        ({"transform": ["clip"]}, r"`transform` of Numeric 'a' .*Received: transform=\['clip'\]"),
        ({"limits": (0, 1)}, "`limits` of Numeric 'a' must be given with transform='clip'.*None"),
        ({"transform": "log1p", "limits": (0, 1)}, "must be given with transform='clip'.*'log1p'"),
        ({"transform": "clip", "knots": (0, 1)}, "`knots` .* with transform='quantile'"),
        ({"transform": "clip", "limits": (1, 0)}, "ascending order. Received: 1.0 before 0.0"),
        ({"transform": "clip", "limits": (1,)}, "`limits` of Numeric 'a' must be two numbers"),
        ({"transform": "clip", "limits": (1, 2, 3)}, "must be two numbers"),
        ({"transform": "clip", "limits": 3}, "`limits` of Numeric 'a' must be a list"),
        ({"transform": "clip", "limits": (0, math.nan)}, "`limits` .* finite .*Received: nan"),
        ({"transform": "clip", "limits": (0, 1e39)}, "finite numbers of float32. Received: 1e"),
        ({"transform": "clip", "limits": (0, "1")}, "finite numbers of float32. Received: '1'"),
        ({"transform": "quantile", "knots": [1]}, "`knots` .* at least two numbers"),
        ({"transform": "quantile", "knots": [0, 2, 1]}, "ascending .* 2.0 before 1.0"),
        ({"transform": "quantile", "knots": [0, math.inf]}, "`knots` .* finite .*Received: inf"),
        ({"mean": 100, "transform": "log1p"}, "must be the mean of transformed values, .*mean=100"),
        ({"mean": 2, "transform": "quantile"}, "transformed values, from 0 to 1. Received: mean=2"),
        ({"mean": 2, "transform": "clip", "limits": (0, 1)}, "values, from 0 to 1. Received: mean"),
        ({"mean": math.nan, "transform": "log1p"}, "`mean` of Numeric 'a' must be a finite number"),
    ],
)
def test_invalid_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        Numeric("a", **options)
