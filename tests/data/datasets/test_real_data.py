"""The loaders on the real logs: the sizes that their descriptions give, and no leakage."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest

from examples.loaders.globo import hour_negatives, load_globo
from examples.loaders.recut_amazon import load_recut_amazon
from keras_din.data import (
    LastFraction,
    load_amazon,
    load_kuairand,
    load_movielens,
)
from keras_din.data.datasets.kuairand import FOLDER
from keras_din.layers import ItemLogits
from keras_din.metrics import all_metrics
from keras_din.models import build_popularity, fit_popularity
from tests.data.prepare.leakage import check_no_leakage


def sizes(data):
    return {part: len(samples) for part, samples in data.parts.items()}


def check_kuairand(data):
    assert sizes(data) == {"train": 149_729, "valid": 17_200, "test": 26_651}
    check_no_leakage(data)
    of_test = data.report["parts"]["test"]
    assert of_test["clicks"] == 11_560
    # 97.9 % of the impressions have a history.
    empty = sum(part["rows_without_history"]["hist"] for part in data.report["parts"].values())
    assert 0.015 < empty / 193_580 < 0.025


def test_slice_of_kuairand():
    data = load_kuairand()
    check_kuairand(data)
    assert [feature.name for feature in data.spec.target] == ["video_id", "author_id", "tag"]


@pytest.mark.parametrize(
    "name, strength, gauc, auc, logloss",
    [
        ("kuairand", 3, 0.6058, 0.6596, 0.6454),
        ("beauty", 10, 0.6568, 0.6587, 0.6482),
        ("sports", 100, 0.6758, 0.6742, 0.6545),
    ],
)
def test_popularity_equals_an_independent_count(request, name, strength, gauc, auc, logloss):
    """The figures of the smoothed click rate that benchmarks compare with other libraries' DIN."""
    if name == "kuairand":
        data = load_kuairand()
    else:
        data = load_recut_amazon(request.getfixturevalue("shared_data") / "amazon2014", name)
    model = build_popularity(data.spec)
    train, test = data.parts["train"], data.parts["test"]
    fit_popularity(model, (train.columns, train.label), prior_strength=strength)
    item = next(layer for layer in model.layers if isinstance(layer, ItemLogits))
    logits = np.asarray(item(test.columns[item.feature][:, None]))[:, 0]
    found = all_metrics(test.label, 1 / (1 + np.exp(-logits)), test.group)
    for metric, value in (("gauc", gauc), ("auc", auc), ("logloss", logloss)):
        assert found[metric] == pytest.approx(value, abs=6e-5), metric


def test_history_of_kuairand():
    data = load_kuairand()
    samples, log = data.parts["test"], data.behaviors["hist"]
    row = int(np.argmax(samples.time))
    start, end = (edge[row] for edge in samples.history["hist"])
    vocabulary = (None, None, *data.spec.features["video_id"].vocabulary)
    history = [vocabulary[i] for i in log.columns["video_id"][start:end]]
    impressions = pd.read_parquet(FOLDER / "impressions.parquet")
    last = impressions.loc[impressions["time_ms"].idxmax()]
    mine = impressions[impressions["user_id"] == last["user_id"]].sort_values("time_ms")
    clicked = mine[(mine["is_click"] == 1) & (mine["time_ms"] < last["time_ms"])]
    watched = pd.read_parquet(FOLDER / "history.parquet").set_index("user_id")["long_watched"]
    expected = [*watched.get(last["user_id"], []), *clicked["video_id"]]
    known = set(vocabulary)
    assert history == [video if video in known else None for video in expected]


def test_kuairand(shared_data):
    check_kuairand(load_kuairand(shared_data / "kuairand"))
    long_view = load_kuairand(shared_data / "kuairand", label="long_view", user_id=False)
    assert "user_id" not in long_view.spec.inputs


@pytest.mark.parametrize(
    "category, rows, users",
    [("beauty", 131_413, 22_363), ("sports", 189_543, 35_598)],
)
def test_amazon(shared_data, category, rows, users):
    data = load_recut_amazon(shared_data / "amazon2014", category)
    assert sizes(data) == {"train": 2 * rows, "valid": 2 * users, "test": 2 * users}
    drawn = load_recut_amazon(shared_data / "amazon2014", category, given_negatives=False)
    assert sizes(drawn) == sizes(data)
    for one in (data, drawn):
        # The history has all rows before this position. Ties keep the order of the log.
        samples, log = one.parts["test"], one.behaviors["hist"]
        start, end = samples.history["hist"]
        np.testing.assert_array_equal(start, log.offsets[samples.group])
        np.testing.assert_array_equal(end, log.offsets[samples.group + 1] - 1)
    positives = [one.parts["test"].columns["item_id"][::2] for one in (data, drawn)]
    raw = [
        np.array((0, 0, *one.spec.features["item_id"].vocabulary))[items]
        for one, items in zip((data, drawn), positives, strict=True)
    ]
    np.testing.assert_array_equal(*raw)


def test_published_amazon_files_give_the_same(shared_data, tmp_path):
    log = pd.read_parquet(shared_data / "amazon2014" / "beauty_reviews.parquet")
    log = log[log["user_id"] <= 400]
    items = pd.read_parquet(shared_data / "amazon2014" / "beauty_items.parquet")
    items = items[items["item_id"].isin(log["item_id"])]
    # Negatives depend on the values of users and items, so both forms have the same texts.
    log = log.assign(
        user_id=log["user_id"].map("A{:05}".format), item_id=log["item_id"].map("B{:05}".format)
    )
    items = items.assign(item_id=items["item_id"].map("B{:05}".format))
    log.to_parquet(tmp_path / "beauty_reviews.parquet")
    items.to_parquet(tmp_path / "beauty_items.parquet")
    with gzip.open(tmp_path / "reviews_Beauty_5.json.gz", "wt") as file:
        for user, item, time in log[["user_id", "item_id", "ts"]].itertuples(index=False):
            record = {"reviewerID": user, "asin": item, "unixReviewTime": time}
            file.write(json.dumps(record) + "\n")
    with gzip.open(tmp_path / "meta_Beauty.json.gz", "wt") as file:
        for item, category in items[["item_id", "category"]].itertuples(index=False):
            path = [["Books"], ["Beauty", f"{category:04}"]]
            file.write(repr({"asin": item, "categories": path}) + "\n")
    data = load_recut_amazon(tmp_path, "beauty", given_negatives=False)
    published = load_amazon(tmp_path / "reviews_Beauty_5.json.gz", tmp_path / "meta_Beauty.json.gz")
    assert sizes(published) == sizes(data)
    for part, samples in data.parts.items():
        same = published.parts[part]
        np.testing.assert_array_equal(same.history["hist"], samples.history["hist"])
        for name in ("item_id", "category"):
            np.testing.assert_array_equal(same.columns[name], samples.columns[name])


def test_globo(shared_data):
    data = load_globo(shared_data / "globo")
    assert data.report["users"] == 322_897
    assert len(data.behaviors["hist"]) == 2_988_181
    assert sum(sizes(data).values()) == 2 * (2_988_181 - 322_897)
    check_no_leakage(data)


def test_negatives_of_the_hour():
    rng = np.random.default_rng(0)
    rows = 4000
    log = pd.DataFrame(
        {
            "user_id": rng.integers(200, size=rows),
            "item_id": rng.integers(40, size=rows),
            "ts": rng.integers(5 * 3600, size=rows),
        }
    )
    log["item_id"] += 100 * (log["ts"] // 3600)  # Articles differ from hour to hour.
    negatives = hour_negatives(log, rng)
    np.testing.assert_array_equal(negatives // 100, log["ts"] // 3600)
    met = set(zip(log["user_id"], log["item_id"], strict=True))
    assert not met & set(zip(log["user_id"], negatives, strict=True))
    everything = pd.DataFrame({"user_id": [1, 1], "item_id": [3, 4], "ts": [0, 9000]})
    with pytest.raises(ValueError, match=r"Received: 2 clicks for which none was found"):
        hour_negatives(everything, rng)


def test_movielens(shared_data):
    folder = shared_data / "movielens-small"
    data = load_movielens(folder)
    assert data.report["rows_kept"] == 100_004
    assert data.report["users"] == 671
    assert data.report["items_table"] == {"rows": 9125, "rows_aside": 0, "rows_not_found": 0}
    ratings = pd.read_csv(folder / "ratings.csv")
    assert len(data.behaviors["hist"]) == (ratings["rating"] >= 4).sum()
    test = data.parts["test"].group
    assert len(np.unique(test)) == 187  # 38,493 of 138,493 users, rounded up.
    assert not np.isin(data.parts["train"].group, test).any()
    assert len(data.spec.features["genres"].vocabulary) == 19
    check_no_leakage(data)
    by_time = load_movielens(folder, split=LastFraction(), user_id=True)
    assert sizes(by_time) == {"train": 80_003, "valid": 10_000, "test": 10_001}
    check_no_leakage(by_time)
