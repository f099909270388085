"""Ids in floats that cannot hold them exactly raise an error with the type."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from keras_din.data import prepare_impressions, prepare_interactions, rows_to_samples
from keras_din.data.encoding.lookup import to_indices, vocabulary_of
from keras_din.data.reading.columns import check_exact_ids
from keras_din.features import Bag, Categorical, FeatureSpec

BIG = float(2**53)
WORDS = {"user": "user", "time": "time", "target": ["item", "shop"], "context": "place"}
WORDS |= {"split": lambda user, position, count, time: position * 0}


def a_log(**columns) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "user": [1, 1, 1, 2],
            "item": ["a", "b", "c", "a"],
            "shop": ["x", "y", "x", "y"],
            "place": [5, 5, 5, 6],
            "request": [1, 2, 3, 4],
            "time": [1, 2, 3, 4],
            "click": [1, 0, 1, 1],
        }
    )
    return frame.assign(**columns)


@pytest.mark.parametrize("column", ["user", "item", "shop", "place", "request"])
@pytest.mark.parametrize(
    "values, kind",
    [
        (np.array([BIG, BIG + 2, 1, 2]), "float64"),
        (np.array([BIG, np.nan, 1, 2]), "float64"),
        (np.array([2**24, 2, 1, 2], np.float32), "float32"),
        (np.array([2**11, 2, 1, 2], np.float16), "float16"),
        (pd.array([BIG, None, 1, 2], "Float64"), "Float64"),
    ],
)
def test_ids_of_a_log(column, values, kind):
    frame = a_log(**{column: values})
    message = (
        f"Column {column!r} must hold ids of a type.*Received: {kind}, .* rounds whole numbers"
    )
    for source in [frame, *([] if kind == "float16" else [pa.Table.from_pandas(frame)])]:
        wanted = message.replace("Float64", "float64") if source is not frame else message
        with pytest.raises(ValueError, match=f"{wanted}.*name it in `numeric`"):
            prepare_impressions(source, label="click", request="request", max_bad=1, **WORDS)
    if column != "request":
        with pytest.raises(ValueError, match=message):
            prepare_interactions(frame, max_bad=1, **WORDS)


def test_large_amounts_are_allowed():
    frame = a_log(shop=[BIG, BIG * 8, 1.0, 2.0], place=[BIG + 2, 0.5, 1.0, 2.0])
    data = prepare_impressions(frame, label="click", numeric="shop", max_bad=1, **WORDS)
    assert data.report["columns"]["shop"]["type"] == "numeric"
    assert data.report["columns"]["place"]["type"] == "numeric"


def test_ids_of_tables():
    items = pd.DataFrame({"item": np.array([BIG, 1.0]), "shop": ["x", "y"]})
    words = WORDS | {"items": items}
    with pytest.raises(ValueError, match="Column 'item' must hold ids of a type"):
        prepare_impressions(a_log(item=[1, 1, 1, 1]).drop(columns="shop"), label="click", **words)


def test_ids_in_lists():
    frame = a_log(shop=[[BIG, np.nan], [], [1.0], None])
    words = WORDS | {"bags": ["shop"], "max_bad": 1}
    with pytest.raises(ValueError, match=r"Column 'shop' must hold ids of a type.*float64"):
        prepare_impressions(frame, label="click", **words)
    frame["shop"] = [np.array([2**24], np.float32), [], [1], None]
    with pytest.raises(ValueError, match=r"Column 'shop' must hold ids of a type.*float32"):
        prepare_impressions(frame, label="click", **words)


def test_ids_of_rows():
    item = Categorical("item", vocabulary=[2**53, 2**53 + 1], dim=2)
    spec = FeatureSpec(target=[item])
    rows = pd.DataFrame({"item": [BIG], "user": [BIG]})
    with pytest.raises(ValueError, match="Column 'item' must hold ids of a type"):
        rows_to_samples(rows, spec)
    with pytest.raises(ValueError, match="Column 'user' must hold ids of a type"):
        rows_to_samples(rows.assign(item=[1]), spec, group="user")
    with pytest.raises(ValueError, match="Column 'item' must hold ids of a type"):
        to_indices(item, pd.Series([BIG, np.nan]))
    with pytest.raises(ValueError, match="Column 'values' must hold ids of a type"):
        vocabulary_of([BIG, np.nan])
    # In an Arrow table, integers with missing values stay integers.
    _, samples = rows_to_samples(pa.table({"item": [2**53 + 1, None]}), spec)
    assert samples.columns["item"].tolist() == [3, 1]
    bags = FeatureSpec(target=[item], context=[Bag("bag", vocabulary=item.vocabulary, dim=2)])
    columns = {"item": [2**53], "bag": [[2**53 + 1, None]]}
    for table in (pa.table(columns), pd.DataFrame(columns)):
        _, samples = rows_to_samples(table, bags)
        assert samples.columns["bag"].values.tolist() == [3]


@pytest.mark.parametrize("column", ["user", "item", "request"])
def test_ids_that_a_spreadsheet_wrote(tmp_path, column):
    a_log(**{column: ["1.87152E+18", "1.87153E+18", "", "7"]}).to_csv(tmp_path / "log.csv")
    message = f"Column {column!r} must hold ids with all their digits. Received: 1.87152E"
    with pytest.raises(ValueError, match=message):
        prepare_impressions(
            tmp_path / "log.csv", label="click", request="request", max_bad=1, **WORDS
        )
    # Some ids may look like this.
    a_log(**{column: ["1E+5", "abc", "x", "7"]}).to_csv(tmp_path / "log.csv")
    prepare_impressions(tmp_path / "log.csv", label="click", request="request", max_bad=1, **WORDS)


@pytest.mark.parametrize(
    "values",
    [
        [BIG - 1, 1.0], [BIG + 2, 0.5], [np.nan], [np.inf, 1.0], [], [2**60], ["9007199254740992"],
        np.array([2**24 - 1], np.float32),
    ],
)  # fmt: skip
def test_exact_ids_are_allowed(values):
    check_exact_ids("values", values)
