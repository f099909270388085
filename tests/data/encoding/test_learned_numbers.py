"""Fields of features of numbers, learned from training values: by hand and by scikit-learn."""

import numpy as np
import pytest
from sklearn.preprocessing import KBinsDiscretizer, QuantileTransformer

from keras_din.bucket_index import numpy_buckets
from keras_din.data.encoding.learned_numbers import learn_fields, shortest, transform_numbers
from keras_din.embed import feature_layer
from keras_din.features import Bucketized, Numeric

RNG = np.random.default_rng(0)
CONTINUOUS = RNG.lognormal(2, 2, 1000)
TIED = np.concatenate([np.zeros(400), np.full(300, 2.5), RNG.uniform(3, 9, 299), [1000]])


def test_log1p_by_hand():
    feature = learn_fields(Numeric("a", transform="log1p"), [0, np.e - 1, 1 - np.e, np.nan])
    assert feature.mean == pytest.approx(0, abs=1e-12)
    assert feature.std == pytest.approx(np.sqrt(2 / 3))


def test_clip_by_hand():
    feature = learn_fields(Numeric("a", transform="clip"), np.arange(101))
    assert feature.limits == (1, 99)
    assert feature.mean == 50
    assert feature.std == pytest.approx(np.std(np.clip(np.arange(101), 1, 99)))
    # More than 99 % are equal: the limits are the minimum and the maximum.
    assert learn_fields(feature_of("clip"), [*[0] * 999, 7]).limits == (0, 7)
    given = Numeric("a", transform="clip", limits=(0, 10))
    assert learn_fields(given, [5, 20]).mean == 7.5


def feature_of(transform):
    return Numeric("a", transform=transform)


@pytest.mark.parametrize("transform", [None, "log1p", "clip", "quantile"])
def test_equal_values_are_0_after_standardization(transform):
    feature = learn_fields(feature_of(transform), [0.1] * 7)
    assert feature.std == 1
    (found,) = transform_numbers(feature, np.array([0.1]))
    assert found == pytest.approx(feature.mean, abs=1e-7)
    assert feature.fill_value == pytest.approx(0.1)


@pytest.mark.parametrize("values", [CONTINUOUS, TIED, np.repeat([1.5, 2, 7], [90, 60, 50])])
def test_quantile_is_that_of_scikit_learn(values):
    feature = learn_fields(feature_of("quantile"), values)
    assert len(feature.knots) == 101
    reference = QuantileTransformer(n_quantiles=101, subsample=None).fit(values[:, None])
    # Between equal quantiles and the next one, scikit-learn's function jumps. Here it does not.
    x = np.array(feature.knots)
    if values is CONTINUOUS:
        x = np.concatenate([x, values, [-5, 1e9]])
    expected = reference.transform(x[:, None])[:, 0]
    np.testing.assert_allclose(transform_numbers(feature, x), expected, atol=1e-6)
    found = transform_numbers(feature, values.astype(np.float64))
    assert (feature.mean, feature.std) == pytest.approx((found.mean(), found.std()))


@pytest.mark.parametrize("transform", [None, "log1p", "clip", "quantile"])
@pytest.mark.parametrize("values", [CONTINUOUS, TIED, -CONTINUOUS])
def test_model_computes_the_learned_transform(transform, values):
    feature = learn_fields(feature_of(transform), values)
    x = np.concatenate([values, [np.nan, 0, -3e38, 3e38, feature.fill_value]]).astype(np.float32)
    found = np.array(feature_layer(feature, {})(x))
    assert found.shape == (len(x), 1)
    filled = np.where(np.isnan(x), feature.fill_value, x)
    expected = (transform_numbers(feature, filled.astype(np.float64)) - feature.mean) / feature.std
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found[-1], 0, atol=1e-5)
    np.testing.assert_allclose(found[len(values)], 0, atol=1e-5)  # NaN.
    trained = found[: len(values), 0].astype(np.float64)
    assert (trained.mean(), trained.std()) == pytest.approx((0, 1), abs=1e-4)


@pytest.mark.parametrize("quantiles", [2, 5, 20])
def test_buckets_are_those_of_scikit_learn(quantiles):
    feature = learn_fields(Bucketized("a", quantiles=quantiles, dim=3), CONTINUOUS)
    assert (feature.quantiles, feature.dim) == (None, 3)
    assert len(feature.boundaries) == quantiles - 1
    values = np.concatenate([CONTINUOUS, [-1e9, 1e9]]).astype(np.float32)
    reference = KBinsDiscretizer(
        quantiles, encode="ordinal", strategy="quantile", quantile_method="linear", subsample=None
    ).fit(CONTINUOUS[:, None])
    expected = reference.transform(values[:, None])[:, 0] + 2
    np.testing.assert_array_equal(numpy_buckets(feature, values), expected)
    counts = np.bincount(numpy_buckets(feature, CONTINUOUS))[2:]
    assert abs(counts - 1000 / quantiles).max() <= 1


def test_equal_quantiles_give_one_boundary_and_no_empty_bucket():
    feature = learn_fields(Bucketized("a", quantiles=10), TIED)
    assert len(feature.boundaries) < 9
    counts = np.bincount(numpy_buckets(feature, TIED))[2:]
    assert len(counts) == len(feature.boundaries) + 1
    assert counts.min() > 0
    assert counts[0] == 400


@pytest.mark.parametrize("value", [0, 0.1, -1e-40, 3.4028234663852886e38])
def test_equal_values_give_one_bucket(value):
    feature = learn_fields(Bucketized("a", quantiles=4), [value] * 9)
    assert feature.boundaries == ()
    assert numpy_buckets(feature, [value, -5, np.nan]).tolist() == [2, 2, 1]


@pytest.mark.parametrize("feature", [feature_of("quantile"), Bucketized("a", quantiles=4)])
def test_order_of_the_values_changes_nothing(feature):
    assert learn_fields(feature, TIED) == learn_fields(feature, RNG.permutation(TIED))


@pytest.mark.parametrize("transform", ["log1p", "clip", "quantile"])
def test_extreme_values(transform):
    largest = float(np.finfo(np.float32).max)
    feature = learn_fields(feature_of(transform), [-largest, largest, 0, 1e-45, np.inf])
    found = np.array(feature_layer(feature, {})(np.float32([largest, -largest, 0, np.nan])))
    assert np.isfinite(found).all()
    Bucketized("a", boundaries=shortest([-1, largest]))


@pytest.mark.parametrize("feature", [feature_of("clip"), Bucketized("a", quantiles=4)])
def test_no_value_raises(feature):
    message = r"Column 'a' must have numbers in the training part\. Received: none\."
    with pytest.raises(ValueError, match=message):
        learn_fields(feature, [None, np.nan, 1e39])


def test_given_fields_are_kept():
    feature = learn_fields(Numeric("a", transform="log1p", mean=1), [0, 3])
    assert feature.mean == 1
    assert feature.std == pytest.approx(np.log(4) / 2)
    assert shortest(np.float32([0.1, 2.5])) == (0.1, 2.5)
