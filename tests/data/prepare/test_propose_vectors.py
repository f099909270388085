"""Proposals of vectors: columns of a table of items with lists of floats of one length."""

import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from keras_din.data import prepare_impressions, propose_features
from keras_din.data.prepare.propose_vectors import propose_vectors
from tests.data.prepare.shared import a_day

COLUMNS = {"user": "user", "time": "time", "label": "click", "target": ["item"], "dim": 4}
LOG = a_day(0)
ITEMS = pd.DataFrame({"item": range(5), "title": [[i, 1.5] for i in range(5)], "tags": [[1]] * 5})
TITLE = {"type": "Vector", "size": 2, "of": "item", "project_to": 4, "in": ["target"]}


@pytest.mark.parametrize("form", ["frame", "arrays", "parquet", "csv"])
def test_columns_of_lists_of_floats(form, tmp_path):
    items = ITEMS
    if form == "arrays":
        items = ITEMS.assign(title=[np.array(title) for title in ITEMS["title"]])
    elif form == "parquet":
        items = tmp_path / "items.parquet"
        ITEMS.to_parquet(items)
    elif form == "csv":
        items = tmp_path / "items.csv"
        ITEMS.to_csv(items)
    reason = "the table of items has lists of 2 floats in this column"
    expected = {} if form == "csv" else {"title": (TITLE, reason)}
    assert propose_vectors(prepare_impressions(LOG, **COLUMNS), items) == expected
    assert propose_vectors(prepare_impressions(LOG, **COLUMNS), None) == {}


def test_proposed_vectors_are_used(capsys):
    proposal = propose_features(prepare_impressions(LOG, **COLUMNS), items=ITEMS[1:])
    assert "without a vector" not in capsys.readouterr().out
    data = prepare_impressions(LOG, **proposal.added_to(COLUMNS))
    title = data.spec.features["title"]
    assert title == kd.Vector("title", 2, "item", project_to=4, vectors=title.vectors)
    assert "without a vector 'title': 1 of 4 values of 'item'" in capsys.readouterr().out
    assert title in data.spec.sequences[0].of


@pytest.mark.parametrize(
    "items, reason",
    [
        (ITEMS.assign(title=[[1.5] * (i + 1) for i in range(5)]), "must have the size 1"),
        (ITEMS.assign(item=[str(i) for i in range(5)]), "must have the type of 'item', integers"),
        (ITEMS.assign(item=ITEMS["item"] + 50), "must have keys that are values of 'item'"),
        (ITEMS.drop(columns="item"), "with the column of keys 'item'"),
        (ITEMS.assign(title=[[np.nan, 1.0]] * 5), "title"),
    ],
)
def test_vectors_that_cannot_be_used_are_left_out(items, reason):
    ((name, (entry, why)),) = propose_vectors(prepare_impressions(LOG, **COLUMNS), items).items()
    assert (name, entry) == ("title", None)
    assert reason in why


def test_an_item_of_hash_buckets_has_no_vectors():
    item = kd.Categorical("item", hash_buckets=9, dim=4)
    data = prepare_impressions(LOG.astype({"item": str}), **COLUMNS | {"target": [item]})
    entry, why = propose_vectors(data, ITEMS)["title"]
    assert entry is None
    assert "must name a Categorical with a vocabulary or indices" in why
