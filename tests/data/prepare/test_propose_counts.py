"""Proposals of counts: by the training rows per item, by hand."""

import numpy as np
import pandas as pd
import pytest

from keras_din.data import (
    LastFraction,
    load_kuairand,
    prepare_impressions,
    prepare_interactions,
    prepare_rows,
)
from keras_din.data.prepare.propose_counts import propose_counts

DAY = 86_400
OF_USER = "GAUC by user misleads with them, see `keras_din.Count`"


def a_log(items, users, step, rows=40):
    return pd.DataFrame(
        {
            "user": np.arange(rows) % users,
            "time": np.arange(rows) * step,
            "item": np.arange(rows) % items,
            "click": np.arange(rows) // 2 % 2,
        }
    )


def prepared(log, **options):
    columns = {"user": "user", "time": "time", "label": "click", "target": ["item"]}
    return prepare_impressions(log, split=LastFraction(valid=0), **columns | options)


def test_counts_where_training_has_enough_rows():
    # 36 training rows of 3 items: 12 per item.
    found = propose_counts(prepared(a_log(items=3, users=4, step=DAY)))
    of = {"type": "Count", "of": "item"}
    rows = "; training has 12.0 rows per value; clients send it, or export --snapshots"
    assert found == {
        "item_rate": (
            of | {"event": "click", "kind": "rate", "window": "7d", "in": ["target"]},
            f"the rate of 'click' the 7d before{rows}",
        ),
        "item_rows": (
            of | {"kind": "count", "window": "7d", "in": ["target"]},
            f"the number of rows the 7d before{rows}",
        ),
        "item_age": (
            of | {"kind": "age", "in": ["target"]},
            f"the time since its first row{rows}",
        ),
        "counts of user": (None, OF_USER),
    }
    found = propose_counts(prepared(a_log(items=4, users=3, step=DAY)))
    assert found["counts of item"] == (None, "training has 9.0 rows per value, fewer than 10")
    assert found["counts of user"] == (None, OF_USER)


@pytest.mark.parametrize("is_order", [False, True])
def test_a_window_must_be_shorter_than_the_log(is_order):
    log = a_log(items=3, users=3, step=1 if is_order else DAY // 5 - 1)  # 36 rows in 7 days.
    found = propose_counts(prepared(log, **{"time": None, "order": "time"} if is_order else {}))
    assert "window" not in found["item_rate"][0]
    assert found["item_rate"][1].startswith("the rate of 'click' before; ")
    assert ("item_age" in found) == (not is_order)


def test_unknown_items_do_not_count():
    log = a_log(items=3, users=3, step=DAY)
    log.loc[:5, "item"] = range(100, 106)
    found = propose_counts(prepared(log, min_count=2))
    assert "training has 10.0 rows per value" in found["item_rate"][1]


def test_only_logs_of_impressions_are_counted():
    log = a_log(items=30, users=4, step=DAY)
    data = prepare_interactions(log, user="user", time="time", target=["item"])
    reason = "negatives were not shown, so counts would tell how they were chosen"
    assert propose_counts(data) == {"counts": (None, reason)}
    data = prepare_rows(log, label="click", target=["item"], sequences=())
    reason = "`prepare_rows` does not count, since its rows are no log of users"
    assert propose_counts(data) == {"counts": (None, reason)}
    assert next(iter(propose_counts(load_kuairand()))) == "video_id_rate"
