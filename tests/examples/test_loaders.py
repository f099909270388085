"""The loaders of example files, on a few rows."""

import zlib

import numpy as np
import pandas as pd
import pytest

from examples.loaders.globo import CONTEXT, hour_negatives, load_globo
from examples.loaders.recut_amazon import load_recut_amazon


@pytest.fixture
def clicks(tmp_path):
    """Ten users with four clicks each in two hours. Each article is clicked by some users."""
    user, place = np.divmod(np.arange(40), 4)
    item = 1 + (user + place) % 10
    log = pd.DataFrame({"user_id": user, "item_id": item, "category_id": item % 3})
    log["ts"] = 1_500_000_000 + 1800 * place + user
    log = log.assign(**dict.fromkeys(CONTEXT, 1))
    log.to_parquet(tmp_path / "clicks.parquet")
    return log


@pytest.mark.parametrize("negatives", ["uniform", "hour"])
def test_globo_holds_out_the_last_two_clicks(clicks, tmp_path, negatives):
    data = load_globo(tmp_path, negatives=negatives, dim=4)
    # The first of four clicks is only in histories. Each other click has one negative.
    assert {part: len(rows) for part, rows in data.parts.items()} == {
        "train": 20,
        "valid": 20,
        "test": 20,
    }
    assert [feature.name for feature in data.spec.context] == list(CONTEXT)


def test_globo_of_some_users(clicks, tmp_path):
    kept = [user for user in range(10) if zlib.crc32(str(user).encode()) % 3 == 0]
    assert 0 < len(kept) < 10
    data = load_globo(tmp_path, every_nth_user=3, dim=4)
    assert data.report["users"] == len(kept)


def test_hour_negatives_are_of_the_hour_and_not_of_the_user(clicks):
    negatives = hour_negatives(clicks, np.random.default_rng(0))
    by_hour = clicks.groupby(clicks["ts"] // 3600)["item_id"].agg(set)
    by_user = clicks.groupby("user_id")["item_id"].agg(set)
    for (_, click), negative in zip(clicks.iterrows(), negatives, strict=True):
        assert negative in by_hour[click["ts"] // 3600]
        assert negative not in by_user[click["user_id"]]


def test_hour_negatives_when_a_user_clicked_all():
    log = pd.DataFrame({"user_id": [1, 1], "item_id": [5, 6], "ts": [0, 1]})
    with pytest.raises(ValueError, match=r"never clicked\. Received: 2 clicks for which none"):
        hour_negatives(log, np.random.default_rng(0))


@pytest.mark.parametrize("given", [True, False])
def test_recut_amazon_keeps_the_order_of_the_log_within_a_day(tmp_path, given):
    items = [3, 1, 2, 4]
    reviews = pd.DataFrame({"user_id": [7] * 4 + [8] * 4, "item_id": items + items[::-1], "ts": 0})
    reviews.to_parquet(tmp_path / "toys_reviews.parquet")
    table = pd.DataFrame({"item_id": [1, 2, 3, 4, 9], "category": ["a", "b", "a", "b", "c"]})
    table.to_parquet(tmp_path / "toys_items.parquet")
    if given:
        position = pd.DataFrame({"user_id": [7] * 4 + [8] * 4, "position": [0, 1, 2, 3] * 2})
        position.assign(negative_id=9).to_parquet(tmp_path / "toys_negatives.parquet")
    data = load_recut_amazon(tmp_path, "toys", given_negatives=given, dim=4)
    item, test = data.spec.target[0], data.parts["test"]
    raw = [item.vocabulary[index - 2] for index in test.columns["item_id"]]
    assert [raw[row] for row in np.flatnonzero(test.label)] == [4, 3]
    if given:
        assert {raw[row] for row in np.flatnonzero(test.label == 0)} <= {9}
