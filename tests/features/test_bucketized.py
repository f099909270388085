"""`Bucketized`: arguments, JSON, fingerprint."""

import dataclasses
import math

import pandas as pd
import pytest

import keras_din as kd
from keras_din.embed import build_inputs
from keras_din.features import Bucketized, FeatureSpec
from keras_din.spec_fingerprint import differences, fingerprint

PRICE = Bucketized("price", boundaries=[5, 10.5, 50], dim=8)


def spec_of(feature):
    return FeatureSpec(target=[kd.Categorical("item", 9, dim=2), feature])


def test_table_has_a_row_per_bucket():
    assert (PRICE.table.values.size, PRICE.table.dim) == (6, 8)
    assert Bucketized("price", boundaries=[]).table.values.size == 3
    assert Bucketized("price", quantiles=10).table is None
    assert list(spec_of(PRICE).tables) == ["item", "price"]
    assert PRICE.boundaries == (5, 10.5, 50)


@pytest.mark.parametrize("feature", [PRICE, Bucketized("price", quantiles=10, dim=3)])
def test_json(feature):
    spec = spec_of(feature)
    assert FeatureSpec.from_json(spec.to_json()) == spec
    assert "null" not in spec.to_json()


def test_repr():
    assert repr(PRICE) == "Bucketized('price', <4 buckets from 5 to 50>, dim=8)"
    assert repr(Bucketized("a", boundaries=())) == "Bucketized('a', <1 bucket>, dim=16)"
    assert repr(Bucketized("a", quantiles=9)) == "Bucketized('a', quantiles=9, dim=16)"


def test_fingerprint_has_the_boundaries():
    text = fingerprint(spec_of(PRICE))
    assert differences(text, spec_of(dataclasses.replace(PRICE, dim=4))) == []
    (how,) = differences(text, spec_of(dataclasses.replace(PRICE, boundaries=[5, 10.5, 51])))
    assert "boundaries is [5.0, 10.5, 50.0] in the model, [5.0, 10.5, 51.0] in the spec" in how
    tiny = spec_of(Bucketized("a", boundaries=[1e-9])), spec_of(Bucketized("a", boundaries=[2e-9]))
    assert len(differences(fingerprint(tiny[0]), tiny[1])) == 1


def test_a_model_requires_boundaries():
    spec = spec_of(Bucketized("price", quantiles=4))
    message = "`boundaries` of Bucketized 'price' must be given, or learned: .*quantiles=4"
    for build in (kd.build_din, build_inputs):
        with pytest.raises(ValueError, match=message):
            build(spec)
    with pytest.raises(ValueError, match=message):
        kd.data.rows_to_samples(pd.DataFrame({"item": [1], "price": [2.0]}), spec)


@pytest.mark.parametrize(
    "options, message",
    [
        ({}, "Bucketized 'a' must be given exactly one of `boundaries` and `quantiles`"),
        ({"boundaries": [1], "quantiles": 3}, "exactly one of `boundaries` and `quantiles`"),
        ({"boundaries": [1, 1]}, "must grow, also after rounding to float32. Received: 1.0 before"),
        ({"boundaries": [2, 1]}, "`boundaries` of Bucketized 'a' must grow.*2.0 before 1.0"),
        ({"boundaries": [1, 1 + 1e-9]}, "must grow, also after rounding to float32"),
        ({"boundaries": [0, 1e-40]}, "must grow, also after rounding to float32"),
        ({"boundaries": [1, math.nan]}, "finite numbers of float32. Received: nan"),
        ({"boundaries": [-math.inf]}, "finite numbers of float32. Received: -inf"),
        ({"boundaries": [True]}, "finite numbers of float32. Received: True"),
        ({"boundaries": 3}, "`boundaries` of Bucketized 'a' must be a list"),
        ({"quantiles": 1}, "`quantiles` of Bucketized 'a' must be at least 2 buckets.*=1"),
        ({"quantiles": 2.5}, "`quantiles` of Bucketized 'a' must be a positive integer"),
        ({"boundaries": [1], "dim": 0}, "`dim` of Bucketized 'a' must be a positive integer"),
    ],
)
def test_invalid_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        Bucketized("a", **options)
