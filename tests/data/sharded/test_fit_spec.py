"""A spec that is learned from counts equals that of the rows."""

import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from tests.data.sharded.shared import random_log

SPLIT = kd.data.ByTime(test_from=1_600_072_000, time_unit="s")


def test_spec_of_counts_equals_spec_of_rows():
    log = random_log(3)
    log["last_shop"] = log["shop"].to_numpy()[::-1]
    features = {
        "target": ["item", "shop", "tags", kd.Bucketized("hour", quantiles=3)],
        "context": ["price", "rank", kd.Categorical("last_shop", table="shop")],
        "of": ["item", "tags"],
        "numeric": ["price"],
        "min_count": 2,
        "dim": {"item": 8},
        "max_length": 7,
        "label": "click",
    }
    one = kd.data.prepare_impressions(
        log, user="who", time="at", split=SPLIT, bags=["tags"], max_bad=0.2, **features
    )
    good = log[log["item"].notna() & (log["at"] < 1_600_072_000)]
    counts = {
        name: good[name].value_counts().sample(frac=1, random_state=0)
        for name in ("item", "shop", "hour", "rank", "last_shop")
    }
    counts["tags"] = good["tags"].str.split("|").explode().value_counts().reset_index()
    price = one.spec.features["price"]
    spec = kd.data.fit_spec(counts, {"price": (price.mean, price.std)}, bags=["tags"], **features)
    assert spec.to_json() == one.spec.to_json()


def test_ties_are_sorted_by_value_and_missing_values_are_left_out():
    counts = {"item": {"b": 2, "a": 2, None: 9, "c": 3}}
    spec = kd.data.fit_spec(counts, target=["item"], dim=4)
    assert spec.features["item"].vocabulary == ("c", "a", "b")


@pytest.mark.parametrize(
    "counts, moments, error",
    [
        ({}, {}, "`counts` or `moments` must have each column that is learned"),
        ({"item": {"a": 0}}, {}, "`counts` must be positive integers"),
        ({"item": {"a": 0.5}}, {}, "`counts` must be positive integers"),
        ({"item": pd.Series([1, 2], ["a", "a"])}, {}, "must have each value once. Received: 'a'"),
        ({"item": pd.DataFrame({"a": [1]})}, {}, "must have two columns, values and counts"),
    ],
)
def test_counts_that_are_wrong(counts, moments, error):
    with pytest.raises(ValueError, match=error):
        kd.data.fit_spec(counts, moments, target=["item"])


def test_quantiles_cannot_be_learned_from_moments():
    price = kd.Numeric("price", transform="quantile")
    with pytest.raises(ValueError, match="`moments` must be of features of which only the mean"):
        kd.data.fit_spec({"item": {"a": 1}}, {"price": (0, 1)}, target=["item"], context=[price])


@pytest.mark.parametrize("valid, test", [(0.1, 0.1), (0, 0.3), (0.5, 0), (0.01, 0.01)])
@pytest.mark.parametrize("seed", range(5))
def test_moments_of_a_split_give_the_same_parts(valid, test, seed):
    time = np.random.default_rng(seed).integers(20, size=50)
    split = kd.data.LastFraction(valid, test)
    distinct, counts = np.unique(time, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(distinct))
    by_time = split.by_time(distinct[order], counts[order])
    np.testing.assert_array_equal(by_time(None, None, None, time), split(None, None, None, time))
    assert by_time.parts == split.parts
