"""Proposals of matches with the history: by the training rows that have one, by hand."""

import pandas as pd
import pytest

import keras_din as kd
from keras_din.data import prepare_impressions
from keras_din.data.prepare import propose_matches as module
from keras_din.data.prepare.propose_matches import elapsed_of_behaviors, propose_matches

COLUMNS = {"user": "user", "time": "time", "label": "click", "split": "part"}


def prepared(items, shops=("s", "t", "u", "v", "s"), **options):
    """Impressions of one user, all but the last row in training. The second one is no click."""
    rows = len(items)
    log = pd.DataFrame(
        {
            "user": ["ann"] * rows,
            "time": range(rows),
            "item": items,
            "shop": shops,
            "click": [1, 0, *[1] * (rows - 2)],
            "part": ["train"] * (rows - 1) + ["test"],
        }
    )
    return prepare_impressions(log, **COLUMNS | {"target": ["item", "shop"], "dim": 3} | options)


def test_item_and_categories():
    # Of 4 training rows, one has its item and no one its shop among the clicks before.
    found = propose_matches(prepared(["a", "b", "b", "a", "x"]), "ago")
    of = {"of": "item", "in_": "hist"}
    entry = {"type": "Match", **of, "measure": "seen", "in": ["target"]}
    last = {"type": "LastMatch", **of, "elapsed": "ago", "dim": 3, "in": ["target"]}
    assert found == {
        "item_in_hist": (entry, "25.0% of training rows have their 'item' in it"),
        "last_item_in_hist": (last, "the time since it, in the buckets of 'ago'"),
        "shop_in_hist": (
            None,
            "0.0% of training rows have their 'shop' in it, less than 1%",
        ),
    }
    shops = ("s", "s", "t", "s", "t")
    found = propose_matches(prepared(list("abcde"), shops), None)
    reason = "0.0% of training rows have their 'item' in it, less than 1%"
    assert found["item_in_hist"] == (None, reason)
    entry = {"type": "Match", "of": "shop", "in_": "hist", "measure": "share", "in": ["target"]}
    assert found["shop_in_hist"] == (entry, "50.0% of training rows have their 'shop' in it")
    assert "last_item_in_hist" not in found


def test_unknown_values_and_old_behaviors_match_nothing():
    # "a" and "b" are seen once, so they are out-of-vocabulary.
    data = prepared(list("abccx"), target=["item"], min_count=2)
    assert propose_matches(data, None)["item_in_hist"][1].startswith("25.0%")
    data = prepared(["a", "b", "c", "a", "x"], max_length=1)  # Which the model does not read.
    assert propose_matches(data, None)["item_in_hist"][0] is None


def test_only_features_of_candidates_and_behaviors(monkeypatch):
    data = prepared(["a", "b", "b", "a", "x"], of=["item"])
    assert list(propose_matches(data, None)) == ["item_in_hist"]
    monkeypatch.setattr(module, "_FEW_VALUES", 3)
    reason = "'shop' has more than 3 values"
    assert propose_matches(prepared(list("abbax")), None)["shop_in_hist"] == (None, reason)


@pytest.mark.parametrize("is_in_data", [False, True])
def test_elapsed_of_behaviors(is_in_data):
    data = prepared(list("abbax"), side_features=[kd.Elapsed("ago")] if is_in_data else [])
    assert elapsed_of_behaviors(data, {}) == ("ago" if is_in_data else None)
    entries = {"x": {"type": "Calendar"}, "elapsed": {"type": "Elapsed"}}
    assert elapsed_of_behaviors(data, entries) == "elapsed"
