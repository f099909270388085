"""`Numeric` with a transform and `Bucketized`, from a log to prepared data."""

import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from keras_din.bucket_index import numpy_buckets
from keras_din.data import PreparedData, prepare_impressions, prepare_interactions, prepare_rows
from keras_din.data.prepare.scoring import log_to_samples

PRICE = kd.Numeric("price", transform="log1p")
AGE = kd.Numeric("age", transform="quantile")
DWELL = kd.Numeric("dwell", transform="clip")
STOCK = kd.Bucketized("stock", quantiles=4, dim=2)
PLAIN = kd.Numeric("plain")
COLUMNS = {
    "user": "user",
    "time": "time",
    "time_unit": "s",
    "target": ["item", PRICE, STOCK],
    "context": [AGE, PLAIN],
    "side_features": [DWELL],
    "of": ["item", "price", "stock"],
    "dim": 2,
}
NUMBERS = ["price", "stock", "age", "plain", "dwell"]
TRAINING = 150


def a_log(rows=200):
    rng = np.random.default_rng(0)
    log = pd.DataFrame(
        {
            "user": rng.integers(0, 12, rows),
            "time": np.arange(rows),
            "item": rng.integers(100, 110, rows),
            "click": rng.integers(0, 2, rows),
        }
    )
    for name in NUMBERS:
        log[name] = rng.lognormal(2, 2, rows)
    log.loc[[3, 190], NUMBERS] = np.nan
    return log


def changed_later(log):
    """The log with other numbers after the training rows."""
    later = log.copy()
    later.loc[TRAINING:, NUMBERS] = -1000 * later.loc[TRAINING:, NUMBERS].to_numpy()
    return later


def impressions(log):
    split = kd.data.ByTime(test_from=TRAINING, time_unit="s")
    return prepare_impressions(log, label="click", split=split, **COLUMNS)


def interactions(log):
    split = kd.data.ByTime(test_from=TRAINING, time_unit="s")
    scale = log["price"][0] / a_log()["price"][0]  # 1 for a log that differs later.
    items = (scale * a_log()[["price", "stock"]][:60]).assign(item=range(100, 160))
    log = log.drop(columns=["click", "price", "stock"])
    return prepare_interactions(log, items=items, split=split, **COLUMNS)


def rows(log):
    log = log.rename(columns={"dwell": "hist_dwell"})
    log["hist_item"] = [[item, item + 1] for item in log["item"]]
    for name in ("price", "stock", "dwell"):
        values = log["hist_dwell"] if name == "dwell" else log[name]
        log[f"hist_{name}"] = [[value, 2 * value] for value in values]
    parts = {"train": log[:TRAINING], "test": log[TRAINING:]}
    columns = {word: COLUMNS[word] for word in ("target", "context", "side_features", "of", "dim")}
    return prepare_rows(parts, label="click", **columns)


def test_fields_are_those_of_the_training_rows():
    log = a_log()
    data = impressions(log)
    features = data.spec.features
    training = log[:TRAINING].dropna()
    assert features["price"].mean == pytest.approx(np.log1p(training["price"]).mean())
    assert features["plain"].mean == pytest.approx(training["plain"].mean())
    assert features["dwell"].limits == pytest.approx(training["dwell"].quantile([0.01, 0.99]))
    assert features["age"].knots[::25] == pytest.approx(
        training["age"].quantile([0, 0.25, 0.5, 0.75, 1])
    )
    quartiles = training["stock"].quantile([0.25, 0.5, 0.75], "higher")
    assert features["stock"].boundaries == pytest.approx(quartiles)
    assert features["stock"].dim == 2
    assert data.report["columns"]["stock"]["type"] == "bucketized"
    assert data.report["values_missing"] == dict.fromkeys(["item", *NUMBERS][1:], 2)
    assert data.report["parts"]["test"]["rows_with_unseen"] == {}


@pytest.mark.parametrize("prepare", [impressions, interactions, rows])
def test_only_the_training_part_is_read(prepare):
    log = a_log()
    data = prepare(log)
    assert not any(feature.to_learn for feature in data.spec.features.values())
    assert prepare(changed_later(log)).spec == data.spec
    earlier = log.assign(**{name: 2 * log[name] for name in NUMBERS})
    other = prepare(earlier).spec.features
    assert all(other[name] != data.spec.features[name] for name in NUMBERS)


def test_data_has_raw_numbers_and_indices(tmp_path):
    log = a_log()
    data = impressions(log)
    data.save(tmp_path / "data")
    data = PreparedData.load(tmp_path / "data")
    assert data.spec == impressions(log).spec
    features, samples = data.spec.features, data.parts["test"]
    raw = log.iloc[samples.line - 2] if samples.line[0] != TRAINING else log.iloc[samples.line]
    for name in ("price", "age", "plain"):
        expected = raw[name].fillna(features[name].fill_value).astype(np.float32)
        np.testing.assert_array_equal(samples.columns[name], expected)
    index = numpy_buckets(features["stock"], raw["stock"])
    assert (index == 1).sum() == 1
    np.testing.assert_array_equal(samples.columns["stock"], index)
    assert data.behaviors["hist"].columns["stock"].dtype == np.int32
    ((x, *_),) = data.dataset("test", batch_size=len(samples)).as_numpy_iterator()
    np.testing.assert_array_equal(x["stock"][:, 0], index)
    assert data.feature_counts()["stock"][1:].min() > 0


def test_later_logs_learn_nothing():
    log = a_log()
    split = kd.data.ByTime(test_from=1000, time_unit="s")
    data = prepare_impressions(
        log[:TRAINING], label="click", split=split, allow_empty_parts=True, **COLUMNS
    )
    day = log[TRAINING:].reset_index(drop=True)
    appended = data.append(day)
    assert [appended.spec.features[name] for name in NUMBERS] == [
        data.spec.features[name] for name in NUMBERS
    ]
    arguments = {"user": "user", "time": "time", "time_unit": "s", "sequences": {"hist": "click"}}
    scored = log_to_samples(day, data.spec, data, **arguments).samples
    of_day = appended.day(0).parts["train"]
    for name in ("price", "stock", "age", "plain"):
        found, expected = (each.columns[name][each.time.argsort()] for each in (scored, of_day))
        np.testing.assert_array_equal(found, expected)
    # A spec that was not learned: the mean of a Numeric is 0, not that of the scored log.
    item = data.spec.features["item"]
    by_hand = kd.FeatureSpec(target=[item, PLAIN])
    columns = log_to_samples(day, by_hand, user="user", time="time", time_unit="s").samples.columns
    assert columns["plain"][np.isnan(day["plain"].to_numpy())].tolist() == [0]


def test_rows_give_the_same_columns():
    log = a_log()
    data = impressions(log)
    spec = kd.FeatureSpec(target=data.spec.target, context=data.spec.context)
    _, samples = kd.data.rows_to_samples(log, spec, "click")
    np.testing.assert_array_equal(
        samples.columns["stock"], numpy_buckets(spec.features["stock"], log["stock"])
    )
    x = next(kd.data.rows_dataset(log, spec, "click", 200).as_numpy_iterator())[0]
    filled = log["age"].fillna(spec.features["age"].fill_value).astype(np.float32)
    np.testing.assert_array_equal(x["age"], filled)
    assert np.isnan(samples.columns["age"]).sum() == 2


def test_words_among_numbers_are_out_of_vocabulary(capsys):
    item = kd.Categorical("item", 9)
    spec = kd.FeatureSpec(target=[item, kd.Bucketized("price", boundaries=[2])])
    frame = pd.DataFrame({"item": [2, 3, 4], "price": ["1", "-", "2"]})
    _, samples = kd.data.rows_to_samples(frame, spec)
    assert samples.columns["price"].tolist() == [2, 1, 3]
    assert "without a value: '-' 1. They are out-of-vocabulary." in capsys.readouterr().out


def test_missing_numbers_of_rows_are_counted():
    data = rows(a_log())
    missing = data.report["values_missing"]
    assert missing["stock"] == missing["price"] == missing["age"] == 2
    assert missing["hist_stock"] == missing["hist_price"] == missing["hist_dwell"] == 4


def test_a_log_without_training_rows_requires_learned_features():
    item = kd.Categorical("item", hash_buckets=9, dtype="int64")
    words = {"user": "user", "time": "time", "time_unit": "s", "label": "click", "split": "part"}
    log = a_log().assign(part="test")
    with pytest.raises(ValueError, match=r"features \['price', 'stock'\] are learned"):
        prepare_impressions(log, target=[item, PRICE, STOCK], **words)
    target = [item, kd.Numeric("price", mean=1, std=2), kd.Bucketized("stock", boundaries=[1])]
    data = prepare_impressions(log, target=target, **words)
    assert data.spec.features["price"] == target[1]
