"""Types of columns: detected from the whole column, reported with a reason, or declared."""

import decimal
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from keras_din.data import LeaveOneOut, PreparedData, prepare_impressions, prepare_interactions
from keras_din.data.encoding.lookup import to_indices
from keras_din.data.reading.text_types import first_inexact_float
from keras_din.features import Categorical, Numeric

LARGE = 2**53 + 1  # As a float it would be rounded to 2**53.
SHARP = [f"1871520000.175470000{i}" for i in (1, 2)]  # The same as floats.


def a_log(values, rows=40):
    """A log with a column `x` that repeats these values."""
    return pd.DataFrame(
        {
            "user": [f"u{row % 4}" for row in range(rows)],
            "item": [f"i{row % 7}" for row in range(rows)],
            "time": range(rows),
            "click": [row % 3 % 2 for row in range(rows)],
            "x": pd.Series([values[row % len(values)] for row in range(rows)], dtype=object),
        }
    )


def write(log, folder, form):
    """Writes the log as a source. A CSV file contains the text of the values."""
    if form == "csv":
        log.to_csv(folder / "log.csv", index=False, na_rep="")
        return folder / "log.csv"
    log = log.assign(x=log["x"].infer_objects())
    if form == "frame":
        return log
    table = pa.table({name: pa.array(log[name], from_pandas=True) for name in log})
    pa.parquet.write_table(table, folder / "log.parquet")
    return folder / "log.parquet"


def prepared(source, **options) -> PreparedData:
    options = {"context": ["x"], "split": LeaveOneOut(valid=0), "time_unit": "s", **options}
    return prepare_impressions(
        source, user="user", time="time", label="click", target=["item"], **options
    )


def values_of(data, name="x") -> set:
    """Returns the raw values, or numbers, of all parts."""
    feature = data.spec.features[name]
    columns = [part.columns[name] for part in data.parts.values()]
    if isinstance(feature, Numeric):
        return {round(float(value), 4) for column in columns for value in column}
    names = ("padding", "?", *feature.vocabulary)
    return {names[index] for column in columns for index in column}


# Detected types


@pytest.mark.parametrize("form", ["csv", "parquet", "frame"])
@pytest.mark.parametrize(
    "values, expected",
    [
        ([1, 20, 300], {1, 20, 300}),
        ([LARGE, LARGE - 1], {LARGE, LARGE - 1}),
        ([True, False], {0, 1}),
        (["07000", "7000"], {"07000", "7000"}),
        (["phone", "tv", "-"], {"phone", "tv", "-"}),
        (SHARP, set(SHARP)),
        (["2.5", *SHARP, "-"], {"2.5", *SHARP, "-"}),
        ([str(2**64), "5"], {str(2**64), "5"}),
    ],
)
def test_columns_detected_as_categories(tmp_path, form, values, expected):
    if form != "csv" and values == [str(2**64), "5"]:
        values = [decimal.Decimal(2**64), decimal.Decimal(5)]
    data = prepared(write(a_log(values), tmp_path, form))
    assert isinstance(data.spec.features["x"], Categorical)
    assert values_of(data) == expected
    assert data.report["columns"]["x"]["type"] == "categorical"


@pytest.mark.parametrize("form", ["csv", "parquet", "frame"])
@pytest.mark.parametrize(
    "values, expected, tokens",
    [
        ([1.5, 2.25], {1.5, 2.25}, {}),
        ([3.0, 20.0], {3, 20}, {}),
        (["1.5", "-", "2.5", "2.0"], {1.5, 2.5, 2, "mean"}, {"-": 10}),
        (["3.00", "-", "20.00"], {3, 20, "mean"}, {"-": 13}),
        (["1.5", "?", "2.5", "n.a."], {1.5, 2.5, "mean"}, {"?": 10, "n.a.": 10}),
        (["1.5", "2.5"] * 10 + ["free"], {1.5, 2.5, "mean"}, {"free": 1}),
        (["0.1", "1.000000000000000056e-01"], {0.1}, {}),
    ],
)
def test_columns_detected_as_numbers(tmp_path, form, values, expected, tokens):
    data = prepared(write(a_log(values), tmp_path, form))
    feature = data.spec.features["x"]
    assert isinstance(feature, Numeric)
    expected = {round(feature.mean, 4) if value == "mean" else value for value in expected}
    assert values_of(data) == expected
    found = data.report["columns"]["x"]
    assert (found["type"], found["missing"]) == ("numeric", tokens)
    # The mean of the numbers only.
    train = [float(v) for v in a_log(values)["x"][:36] if str(v)[0].isdigit()]
    assert feature.mean == pytest.approx(np.mean(train))


def test_missing_words_of_pandas_are_counted_as_written(tmp_path):
    path = write(a_log(["1.5", "NA", "null", "-", "", "2.5"], 60), tmp_path, "csv")
    found = prepared(path).report["columns"]["x"]
    assert found["missing"] == {"NA": 10, "null": 10, "-": 10, "": 10}
    path = write(a_log([5, "?", 7, "NA"]), tmp_path, "csv")
    data = prepared(path)
    assert data.report["columns"]["x"]["missing"] == {"NA": 10, "?": 10}
    assert data.spec.features["x"].vocabulary == (5, 7)


@pytest.mark.parametrize("form", ["csv", "parquet", "frame"])
@pytest.mark.parametrize(
    "context, options",
    [
        ("x", {}),
        ("x", {"categorical": ["x"]}),
        (Categorical("x", vocabulary=["NA", "nan", "None", "null", "?", "DE"]), {}),
    ],
)
def test_words_of_text_are_values(tmp_path, form, context, options):
    words = ["NA", "nan", "None", "null", "?", "DE"]
    log = a_log([*words, ""], 70)
    data = prepared(write(log, tmp_path, form), context=[context], **options)
    assert values_of(data) == {*words, "?"}
    assert set(data.spec.features["x"].vocabulary) == set(words)
    assert data.report["values_missing"] == {"x": 10}
    if form == "csv" and context == "x":
        assert data.report["columns"]["x"]["missing"] == {"": 10}


def test_words_of_users_and_items_are_values(tmp_path):
    log = a_log([1.5]).replace({"user": {"u1": "NA"}, "item": {"i1": "None"}})
    data = prepared(write(log, tmp_path, "csv"))
    assert "None" in data.spec.features["item"].vocabulary
    assert "NA" in data.user_values.tolist()
    assert data.report["rows_kept"] == 40
    log = log.assign(x="NA")
    data = prepared(write(log, tmp_path, "csv"), categorical=["x"])
    assert data.spec.features["x"].vocabulary == ("NA",)


@pytest.mark.parametrize("form", ["csv", "frame"])
@pytest.mark.parametrize(
    "values", [["12,5", "13,75"], ["$13.64", "$2"], ["1,234.50", "-3,5", "2"], ["5 EUR", "7 EUR"]]
)
def test_other_notations_of_numbers_are_text(tmp_path, form, values):
    source = write(a_log(values), tmp_path, form)
    data = prepared(source)
    found = data.report["columns"]["x"]
    expected = f"text, which looks like numbers written as {values[0]}; write them as 1234.5"
    assert (found["type"], found["reason"], found["example"]) == (
        "categorical",
        expected,
        values[0],
    )
    message = rf"must hold numbers written as in 1234\.5, .*Received: '{re.escape(values[0])}' in l"
    for options in ({"numeric": ["x"]}, {"context": [Numeric("x", mean=1.0, std=1.0)]}):
        with pytest.raises(ValueError, match=message):
            prepared(source, **options)


def test_numeric_column_without_numbers_raises(tmp_path):
    path = write(a_log(["free", "$13.64"]), tmp_path, "csv")
    message = r"Received: '\$13\.64' in line 3, which is not a number\. If"
    with pytest.raises(ValueError, match=message):
        prepared(path, numeric=["x"])


@pytest.mark.parametrize("values", [["12.5.2022", "1.6.2022"], ["10.0.0.1", "10.0.0.2"], ["a,5"]])
def test_columns_detected_as_text(tmp_path, values):
    found = prepared(write(a_log(values), tmp_path, "csv")).report["columns"]["x"]
    assert "looks like" not in found["reason"]


@pytest.mark.parametrize("form", ["csv", "parquet", "frame"])
@pytest.mark.parametrize("first", [np.inf, -np.inf, 2.5])
def test_infinity_is_missing(tmp_path, form, first):
    data = prepared(write(a_log([first, 1.5, np.inf, 2.5]), tmp_path, form))
    counts = {"inf": 10}
    if first != 2.5:
        counts = {"inf": 20} if first > 0 else {"inf": 10, "-inf": 10}
    found = data.report["columns"]["x"]
    assert (found["type"], found["missing"]) == ("numeric", counts)
    assert data.report["values_missing"] == {"x": sum(counts.values())}
    assert np.isfinite(data.parts["train"].columns["x"]).all()
    data.save(tmp_path / "data")


def test_true_and_false_as_text_are_booleans_of_any_source(tmp_path):
    spec = prepared(write(a_log(["true", "false", "true"]), tmp_path, "csv")).spec
    feature = spec.features["x"]
    assert feature.vocabulary == (1, 0)
    for words in (["true", "false"], ["True", "FALSE"], [True, False], [1, 0], ["1", "0"]):
        assert to_indices(feature, words).tolist() == [2, 3]
    assert to_indices(feature, ["yes", "tRuE"]).tolist() == [1, 1]
    hashed = Categorical("x", hash_buckets=50, dtype="int64")
    np.testing.assert_array_equal(to_indices(hashed, ["true"]), to_indices(hashed, [1]))


def test_one_token_among_999_prices(tmp_path):
    prices = [f"{price / 4:.2f}" for price in range(4, 1003)]
    log = a_log([*prices[:500], "-", *prices[500:]], 1000)
    found = prepared(write(log, tmp_path, "csv")).report["columns"]["x"]
    assert found == {
        "type": "numeric",
        "reason": "decimal numbers",
        "example": "1.00",
        "missing": {"-": 1},
    }


@pytest.mark.parametrize(
    "values, reason, example",
    [
        ([1, 2], "whole numbers may be ids or amounts; they count as ids", "1"),
        (["007", 2], "whole numbers in an unusual notation", "007"),
        (SHARP, "a number that a float does not reproduce as written", SHARP[0]),
        (["1.5", "a", "b"], "text in 67% of the cells", "a"),
        ([1, "other"], "text among whole numbers", "other"),
        (["x"], "text", "x"),
        (["true", "false"], "true or false", "true"),
    ],
)
def test_reason_of_the_detected_type(tmp_path, values, reason, example):
    found = prepared(write(a_log(values), tmp_path, "csv")).report["columns"]["x"]
    assert {**found, "reason": found["reason"].replace("68%", "67%").replace("65%", "67%")} == {
        "type": "categorical",
        "reason": reason,
        "example": example,
        "missing": {},
    }


def test_report_lists_the_type_of_every_feature(tmp_path):
    log = a_log([1]).assign(tags=[["a"], ["b"]] * 20, age=30, zip="1")
    options = {"context": ["x", "tags", Numeric("age"), Categorical("zip", 9)], "numeric": "x"}
    data = prepared(log, **options)
    columns = {
        name: (found["type"], found["reason"]) for name, found in data.report["columns"].items()
    }
    assert columns == {
        "item": ("categorical", "the item"),
        "x": ("numeric", "named in `numeric`"),
        "tags": ("bag", "lists"),
        "age": ("numeric", "given as a Numeric"),
        "zip": ("categorical", "given as a Categorical"),
    }
    data.save(tmp_path / "data")
    assert PreparedData.load(tmp_path / "data").report == data.report


def test_price_that_is_not_utf_8_keeps_the_column_numeric(tmp_path):
    a_log(["1.5", "2.5"]).to_csv(tmp_path / "log.csv", index=False)
    content = (tmp_path / "log.csv").read_bytes().replace(b",1.5\n", b",\xa31.5\n", 1)
    (tmp_path / "log.csv").write_bytes(content)
    data = prepared(tmp_path / "log.csv", max_bad=0.1)
    assert data.report["columns"]["x"]["type"] == "numeric"
    assert data.bad_rows["reason"].tolist() == ["'x' is not UTF-8"]


def test_decimals_that_floats_round_stay_text(tmp_path):
    for values, kind in ((SHARP, Categorical), (["1.5", "2.5"], Numeric)):
        values = pa.array([decimal.Decimal(value) for value in values] * 20, pa.decimal128(38, 10))
        log = pa.Table.from_pandas(a_log([1]).drop(columns="x")).append_column("x", values)
        pa.parquet.write_table(log, tmp_path / "log.parquet")
        assert isinstance(prepared(tmp_path / "log.parquet").spec.features["x"], kind)


# Errors


@pytest.mark.parametrize("form", ["csv", "frame"])
@pytest.mark.parametrize("token", ["1,234", "$5", "12%", "1.2.3"])
def test_token_that_may_be_a_number_raises(tmp_path, form, token):
    source = write(a_log(["1.5", "2.5"] * 10 + [token]), tmp_path, form)
    line = 20 + 2 * (form == "csv")
    message = f"'x' must hold numbers .* Received: '{token}' in line {line}, among .* `categorical`"
    message = message.replace("$", r"\$")
    for options in ({}, {"numeric": ["x"]}, {"context": [Numeric("x")]}):
        with pytest.raises(ValueError, match=message):
            prepared(source, **options)
    assert token in values_of(prepared(source, categorical=["x"]))


@pytest.mark.parametrize("form", ["csv", "parquet", "frame"])
def test_whole_floats_with_gaps_require_a_declaration(tmp_path, form):
    source = write(a_log([3.0, 20.0, None]), tmp_path, form)
    line = 2 + 2 * (form == "csv")
    message = (
        rf"must be named in `numeric` .*: \['x'\], with 3\.0 in 'x' and no value in line {line}"
    )
    with pytest.raises(ValueError, match=message):
        prepared(source)
    data = prepared(source, numeric=["x"])
    assert values_of(data) == {3, 20, round(data.spec.features["x"].mean, 4)}
    data = prepared(source, categorical=["x"])
    assert values_of(data) == {3, 20, "?"}
    assert set(data.spec.features["x"].vocabulary) == {3, 20}


def test_whole_floats_of_a_table_with_missing_items_are_not_ids():
    items = pd.DataFrame({"item": [f"i{i}" for i in range(6)], "price": [3.0, 20.0] * 3})
    data = prepared(a_log([1]), context=["price"], items=items)
    assert isinstance(data.spec.features["price"], Numeric)


def test_lists_of_whole_floats_require_a_declaration():
    log = a_log([[3.0, 5.0], [7.0]])
    message = r"Lists of column 'x' must hold .* `bags` .* Received: \[3\.0, 5\.0\] in line 0\."
    with pytest.raises(ValueError, match=message):
        prepared(log)
    assert set(prepared(log, bags=["x"]).spec.features["x"].vocabulary) == {3, 5, 7}
    whole = prepared(a_log([[3, 5], [7]]))
    assert set(whole.spec.features["x"].vocabulary) == {3, 5, 7}


# Declared types


@pytest.mark.parametrize("form", ["csv", "parquet", "frame"])
def test_whole_prices_declared_as_numeric(tmp_path, form):
    source = write(a_log([3, 20, 100]), tmp_path, form)
    data = prepared(source, numeric=["x"])
    assert values_of(data) == {3, 20, 100}
    assert data.spec.features["x"].mean == pytest.approx(np.mean([3, 20, 100]))
    with_gaps = prepared(write(a_log([3, None, 20, "free"]), tmp_path, "csv"), numeric="x")
    assert with_gaps.report["columns"]["x"]["missing"] == {"": 10, "free": 10}
    assert with_gaps.spec.features["x"].mean == pytest.approx(11.5, abs=0.5)


def test_numbers_declared_as_categorical_stay_as_written(tmp_path):
    source = write(a_log(["1.50", "2.00", "-"]), tmp_path, "csv")
    assert values_of(prepared(source, categorical=["x"])) == {"1.50", "2.00", "?"}


def test_interactions_accept_declared_types(tmp_path):
    log = a_log([3, 20, 100]).drop_duplicates(["user", "item"])
    items = pd.DataFrame({"item": [f"i{i}" for i in range(9)], "size": range(9)})
    options = {"user": "user", "time": "time", "target": ["item", "size"], "side_features": ["x"]}
    options |= {"items": items, "split": LeaveOneOut(valid=0), "time_unit": "s"}
    data = prepare_interactions(log, **options, numeric=["x", "size"])
    assert isinstance(data.spec.features["x"], Numeric)
    assert isinstance(data.spec.features["size"], Numeric)
    assert data.report["columns"]["size"]["reason"] == "named in `numeric`"


def test_prior_history_has_the_types_of_the_log(tmp_path):
    earlier = pd.DataFrame({"user": ["u0", "u1"], "item": ["i1", "i2"], "x": [3, 4]})
    earlier.to_csv(tmp_path / "earlier.csv", index=False)
    options = {
        "context": [],
        "side_features": ["x"],
        "prior_history": {"hist": tmp_path / "earlier.csv"},
    }
    data = prepared(a_log([1.5, 2.5]), **options)
    assert {3, 4} <= set(data.behaviors["hist"].columns["x"].tolist())
    earlier.assign(x=["3.5", "1,5"]).to_csv(tmp_path / "earlier.csv", index=False)
    with pytest.raises(ValueError, match=r"'x' must hold numbers .* Received: '1,5' in line 3"):
        prepared(a_log([1.5, 2.5]), **options)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"numeric": ["y"]}, r"`numeric` must name features .*\['item', 'x'\]\. Received: 'y'"),
        ({"categorical": "user"}, "`categorical` must name features .* Received: 'user'"),
        ({"numeric": "x", "categorical": ["x"]}, "different features.* Received: 'x', in both"),
        ({"numeric": "item"}, "must not name ids. Received: 'item', the item"),
        (
            {"numeric": "user", "context": ["user"]},
            "must not name ids. Received: 'user', a column of",
        ),
        ({"numeric": "x", "context": [Numeric("x")]}, "must name features .* Received: 'x'"),
    ],
)
def test_invalid_declarations_raise(options, message):
    with pytest.raises(ValueError, match=message):
        prepared(a_log([1]), **options)


def test_declared_numbers_without_a_number_raise(tmp_path):
    with pytest.raises(ValueError, match="'x' must have numbers in the training part"):
        prepared(write(a_log(["a"]), tmp_path, "csv"), numeric="x")
    with pytest.raises(ValueError, match="'x' must hold strings or integers to be categorical"):
        prepared(a_log([1.5]), categorical="x")


# Exact floats


@pytest.mark.parametrize(
    "text, expected",
    [
        ("0.1", True),
        ("3.50", True),
        ("1e3", True),
        ("123456789.123456789", False),
        ("12345.6789012345", True),
        ("1871520000.1754700001", False),
        ("12.33333333333333333333", False),
        ("0.1000000000000000055511151231257827", True),  # All digits of the float.
        ("9007199254740993", False),
        ("9007199254740992", True),
        ("007.5", False),
        ("1e400", True),
    ],
)
def test_first_inexact_float(text, expected):
    assert (first_inexact_float(pa.array(["1.5", text])) is None) == expected


def test_dates_declared_as_categorical(tmp_path):
    days = ["2022-04-08", "2022-04-09"]
    log = a_log(days)
    assert values_of(prepared(write(log, tmp_path, "csv"), categorical=["x"])) == set(days)
    assert values_of(prepared(log)) == set(days)
    message = r"'x' must hold strings.* Received: dates \(.*'x' is named in `categorical`"
    for source in (tmp_path / "log.csv", log.assign(x=pd.to_datetime(log["x"]))):
        with pytest.raises(ValueError, match=message):
            prepared(source)


def test_ids_that_look_like_dates_stay_as_written(tmp_path):
    log = a_log([1]).assign(user=[f"2022-04-0{row % 4 + 1}" for row in range(40)])
    data = prepared(write(log, tmp_path, "csv"), context=[])
    assert data.users.tolist() == [f"2022-04-0{i}" for i in range(1, 5)]
