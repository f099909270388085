"""Features that share the table of another one: errors in preparation, and a warning."""

import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from keras_din.data import prepare_impressions
from keras_din.features import Categorical


def prepare(columns, context, **options):
    rows = len(next(iter(columns.values())))
    frame = pd.DataFrame({"user": 1, "time": range(rows), "click": [1, 0] * (rows // 2)} | columns)
    words = {"user": "user", "time": "time", "label": "click", "target": ["item"]}
    parts = frame.assign(part="train")
    return prepare_impressions(parts, context=context, split="part", **words, **options)


@pytest.mark.parametrize(
    "context, options, found",
    [
        ([], {}, r"table='price', which no feature has\. Add the column, or pass a `Table`\."),
        (["price"], {}, r"table='price'; 'price' is numeric \(floats\)"),
        ([kd.Numeric("price")], {}, r"table='price'; 'price' is numeric \(given as a Numeric\)"),
        (
            [Categorical("price", table="item")],
            {},
            r"table='price'; 'price' itself shares the table 'item'",
        ),
        (
            ["price"],
            {"numeric": ["price"]},
            r"table='price'; 'price' is numeric \(named in `numeric`\)",
        ),
    ],
)
def test_table_that_is_not_a_table_raises_in_prepare(context, options, found):
    columns = {"item": ["x", "y"] * 2, "price": [0.5, 1.5, 2.5, 3.5], "first": ["x", "y"] * 2}
    message = (
        r"`table` of Categorical 'first' must be a `Table`, or the name of a feature with its own "
        rf"table of embeddings: \['item'\]\. Received: {found}"
    )
    with pytest.raises(ValueError, match=message):
        prepare(columns, [*context, Categorical("first", table="price")], **options)


@pytest.mark.parametrize(
    "context, dim, found",
    [
        (
            [Categorical("first", table="item")],
            {"first": 8, "item": 4},
            r"dim=8 of 'first', which shares a table: Table\('item', vocabulary=<2 strings>, dim=4",
        ),
        (
            [Categorical("first", vocabulary=["x"], dim=3)],
            {"first": 8},
            r"dim=8 of 'first', which is given as a Categorical: Table\('first', .*, dim=3\)",
        ),
        (["price"], {"price": 8}, "dim=8 of 'price', which is a Numeric"),
    ],
)
def test_dim_without_effect_raises_in_prepare(context, dim, found):
    columns = {"item": ["x", "y"], "price": [0.5, 1.5], "first": ["x", "y"]}
    with pytest.raises(ValueError, match=rf"`dim` must .*\. Received: {found}"):
        prepare(columns, context, dim=dim)


def test_columns_of_a_table_must_have_one_type():
    columns = {"item": [7, 8], "first": ["7", "8"]}
    message = (
        r"values of one type, strings or integers\. Received: integers in 'item', such as 7, and "
        r"strings in 'first', such as '7'\. .* `frame\['item'\]\.astype\(str\)`"
    )
    shared = [Categorical("first", table="item")]
    with pytest.raises(ValueError, match=message):
        prepare(columns, shared)
    with pytest.raises(ValueError, match=r"Received: strings in 'item', .* integers in 'first'"):
        prepare({"item": ["7", "8"], "first": [7, 8]}, shared)
    with pytest.raises(ValueError, match=r"'first' must hold strings or integers, .*: 0\.5\."):
        prepare({"item": [7, 8], "first": [0.5, 8]}, shared)
    data = prepare({"item": [7, 8], "first": [7.0, np.nan]}, shared)
    assert data.spec.tables["item"].values.entries == (7, 8)
    data = prepare({"item": [7, 8], "first": [None, None]}, shared)  # No value has any type.
    assert data.spec.tables["item"].values.entries == (7, 8)
