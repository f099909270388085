"""Groups of items: the last one of each item, in rows and behaviors of all days."""

import numpy as np
import pandas as pd
import pytest

from keras_din.data import prepare_impressions


def a_log(day, items, categories):
    rows = len(items)
    times = day * 86_400 + np.arange(rows)
    columns = {"user": 1, "time": times, "item": items, "category": categories, "tags": "a|b"}
    return pd.DataFrame(columns | {"click": [0, 1] * (rows // 2)})


def prepared():
    data = prepare_impressions(
        a_log(0, list("abcabc"), list("xyzxyz")),
        user="user",
        time="time",
        label="click",
        target=["item", "category", "tags"],
        bags=["tags"],
    )
    # The item `a` moves to another category, and `d` and `e` are new, `e` without a category.
    return data.append(a_log(1, list("addeee"), ["y", "w", "w", None, None, None]))


def test_each_item_has_its_last_group():
    data = prepared()
    (groups,) = data.item_groups("category").values()
    items, categories = data.spec.features["item"], data.spec.features["category"]
    found = dict(zip(items.vocabulary, groups[2:], strict=False))
    names = dict(enumerate(categories.vocabulary, 2)) | {-1: None}
    assert {item: names[group] for item, group in found.items()} == {
        "a": "y",
        "b": "y",
        "c": "z",
        "d": "w",
        "e": None,
    }
    assert groups[0] == groups[1] == -1
    assert groups.shape == (data.spec.tables["item"].values.size,)


@pytest.mark.parametrize("group", ["tags", "item", "no"])
def test_groups_must_be_a_feature_with_one_index(group):
    message = rf"one index per item, one of \['category'\]\. Received: '{group}'"
    with pytest.raises(ValueError, match=message):
        prepared().item_groups(group)
