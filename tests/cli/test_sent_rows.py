"""Rows in the form that a client sends."""

import numpy as np
import pandas as pd

import keras_din as kd
from keras_din.cli.sent_rows import sent_rows
from keras_din.features import MISSING_INT64

ITEM = kd.Categorical("item", vocabulary=["tea", "12", "pot"])
SHOP = kd.Categorical("shop", vocabulary=[0, 7])
SPEC = kd.FeatureSpec(
    context=[kd.Categorical("segment", 5), kd.Numeric("age")],
    target=[ITEM, SHOP],
    sequences=[kd.Sequence("hist", of=[ITEM, SHOP], side_features=[kd.Numeric("s")])],
)


def test_missing_hashed_values():
    number = {"hash_buckets": 9, "dtype": "int64"}
    item, ad = kd.Categorical("item", **number), kd.Categorical("ad", **number)
    spec = kd.FeatureSpec(
        context=[ad, kd.Bag("tags", **number), kd.Categorical("city", hash_buckets=9)],
        target=[item],
        sequences=[
            kd.Sequence("hist", of=[item], side_features=[kd.Categorical("action", **number)])
        ],
    )
    frame = pd.DataFrame(
        {
            "ad": [None],
            "tags": [[5, None]],
            "city": [None],
            "item": [None],
            "hist_item": [[3, None]],
            "hist_action": [[None, 0]],
        }
    )
    sent = {name: values.tolist() for name, values in sent_rows(frame, spec).items()}
    assert sent == {
        "ad": [MISSING_INT64],
        "tags": [[5, 0]],
        "city": [""],
        "item": [[MISSING_INT64]],
        "hist_item": [[3, 0]],
        "hist_action": [[MISSING_INT64, 0]],
    }


def test_values_missing_values_and_padding():
    frame = pd.DataFrame(
        {
            "segment": [3, None],
            "age": [1.5, None],
            "item": [12, None],
            "shop": ["7", "seven"],
            "hist_item": [["tea", None, 12.0], None],
            "hist_shop": [[7, 7, None], []],
            "hist_s": [[0.5, 1, None], np.array([])],
        }
    )
    sent = sent_rows(frame, SPEC)
    assert {name: values.dtype.kind for name, values in sent.items()} == {
        "segment": "i",
        "age": "f",
        "item": "O",
        "shop": "i",
        "hist_item": "O",
        "hist_shop": "i",
        "hist_s": "f",
    }
    assert sent["segment"].tolist() == [3, 1]
    np.testing.assert_array_equal(sent["age"], np.float32([1.5, np.nan]))
    # A candidate with a missing value is not padding.
    assert sent["item"].tolist() == [["12"], ["unknown"]]
    assert sent["shop"].tolist() == [[7], [-2]]
    assert sent["hist_item"].tolist() == [["tea", "", "12"], ["", "", ""]]
    assert sent["hist_shop"].tolist() == [[7, 7, -2], [-1, -1, -1]]
    np.testing.assert_array_equal(sent["hist_s"], np.float32([[0.5, 1, np.nan], [0, 0, 0]]))


def test_bags_with_weights():
    item, tags = kd.Categorical("item", 9), kd.Bag("tags", vocabulary=["a", "b"], weights="w")
    spec = kd.FeatureSpec(target=[item, tags], sequences=[kd.Sequence("hist", of=[item, tags])])
    frame = pd.DataFrame(
        {
            "item": [2, 3],
            "tags": [["a", None, "b"], []],
            "w": [[1, 2, 0.5], None],
            "hist_item": [[3, 4], []],
            "hist_tags": [[["a"], []], []],
            "hist_w": [[[2], []], []],
        }
    )
    sent = sent_rows(frame, spec)
    # A missing value stays at its position, as does its weight.
    assert sent["tags"].tolist() == [[["a", "", "b"]], [["", "", ""]]]
    assert sent["w"].tolist() == [[[1, 2, 0.5]], [[0, 0, 0]]]
    assert sent["hist_w"].tolist() == [[[2], [0]], [[0], [0]]]
    assert sent["w"].dtype == sent["hist_w"].dtype == np.float32
