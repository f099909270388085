"""`prepare_impressions`: the history of a row contains only the clicks before it."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest

from keras_din.data import (
    ByTime,
    ByUser,
    LastFraction,
    LeaveOneOut,
    prepare_impressions,
    prepare_interactions,
)
from keras_din.features import Bag, Categorical, Numeric
from keras_din.training import fingerprint
from tests.data.prepare.leakage import check_no_leakage
from tests.data.prepare.shared import histories, raw

COLUMNS = {"user": "user", "time": "time", "label": "click", "target": ["item"]}


def a_log(**changes):
    columns = {
        "user": ["a", "a", "a", "b", "b", "a"],
        "item": ["x", "y", "z", "x", "y", "x"],
        "time": [10, 20, 30, 10, 20, 40],
        "click": [1, 0, 1, 1, 1, 0],
    }
    return pd.DataFrame({**columns, **changes})


def test_histories_are_the_clicks_before():
    data = prepare_impressions(a_log(), **COLUMNS, split=LeaveOneOut(valid=0))
    assert raw(data, "train", "item") == ["x", "y", "z", "x"]
    assert histories(data, "train") == [[], ["x"], ["x"], []]
    assert data.parts["train"].label.tolist() == [1, 0, 1, 1]
    assert raw(data, "test", "item") == ["x", "y"]
    assert histories(data, "test") == [["x", "z"], ["x"]]
    assert data.parts["test"].group.tolist() == [0, 1]
    assert data.report["parts"]["test"] == {
        "rows": 2,
        "clicks": 1,
        "rows_with_unseen": {},
        "rows_without_history": {"hist": 0},
    }


events = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 4), st.booleans()),
    min_size=3,
    max_size=40,
)


@hypothesis.given(events, st.booleans(), st.randoms())
@hypothesis.settings(max_examples=60, deadline=None)
def test_histories_match_a_slow_loop(rows, by_request, random):
    frame = pd.DataFrame(rows, columns=["user", "time", "item", "click"])
    frame["request"] = [random.randrange(6) for _ in rows]
    frame = frame.drop_duplicates(["user", "item", "time", "request"], ignore_index=True)
    frame["row"] = range(len(frame))
    hypothesis.assume(frame["click"].nunique() == 2)
    data = prepare_impressions(
        frame.astype({"click": int}),
        **(COLUMNS | {"target": ["item", Numeric("row")]}),
        of=["item"],
        request="request" if by_request else None,
        split=lambda user, position, count, time: np.zeros(len(user), int),
        time_unit="s",
    )
    check_no_leakage(data)
    samples = data.parts["train"]
    assert len(samples) == len(frame)
    if by_request:
        data.dataset(
            "train", by_request=True, batch_size=2
        )  # Raises if a request is not contiguous.
    for row, items in zip(
        samples.columns["row"].astype(int), histories(data, "train"), strict=True
    ):
        user, time, request = frame.loc[row, ["user", "time", "request"]]
        mine = frame[frame["user"] == user]
        if by_request:
            time = mine.loc[mine["request"] == request, "time"].min()
        clicked = mine[mine["click"] & (mine["time"] < time)]
        # At equal times, the order is that of the log, or of requests.
        assert sorted(items) == sorted(clicked["item"])
        times = [clicked["time"][clicked["item"] == item].tolist() for item in items]
        if all(len(found) == 1 for found in times):
            assert times == sorted(times)


def test_requests_are_not_split():
    log = a_log(user=["a"] * 6, time=[1, 2, 3, 4, 5, 6], request=[1, 1, 2, 2, 3, 3])
    data = prepare_impressions(log, **COLUMNS, request="request", split=LeaveOneOut())
    assert {part: len(samples) for part, samples in data.parts.items()} == {
        "train": 2,
        "valid": 2,
        "test": 2,
    }
    # The click at 3 is in the same request as the impression at 4.
    assert histories(data, "valid") == [["x"], ["x"]]
    ((x, y),) = data.dataset("test", by_request=True)
    assert x["item"].shape == y.shape == (1, 2)


def test_several_sequences_side_and_context():
    log = a_log(like=[0, 1, 1, 0, 0, 0], hour=[1, 2, 3, 4, 5, 6], price=[0.5, 1.5, 2, 3, 4, 5])
    data = prepare_impressions(
        log,
        **(COLUMNS | {"target": ["item", "price"]}),
        context=["hour"],
        side_features=["hour"],
        of=["item"],
        sequences={"clicked": "click", "liked": "like"},
        split=LeaveOneOut(valid=0),
    )
    assert list(data.spec.inputs) == [
        "hour",
        "item",
        "price",
        "clicked_item",
        "clicked_hour",
        "liked_item",
        "liked_hour",
    ]
    assert histories(data, "test", sequence="liked") == [["y", "z"], []]
    assert histories(data, "test", "hour", "clicked") == [[1, 3], [4]]
    x, _ = next(iter(data.dataset("test")))
    assert x["price"].numpy().tolist() == [[5], [4]]
    assert data.spec.features["price"].mean == pytest.approx(7 / 4)  # Only of training.


def test_items_and_users_come_from_tables(tmp_path):
    items = pd.DataFrame({"item": ["z", "x"], "brand": [2**60 + 1, 7]})
    users = pd.DataFrame({"user": ["b", "a"], "city": ["Oslo", "Rome"]})
    users.to_csv(tmp_path / "users.csv", index=False)
    data = prepare_impressions(
        a_log(),
        **(COLUMNS | {"target": ["item", "brand"]}),
        context=["city"],
        items=items,
        users=tmp_path / "users.csv",
        split=LeaveOneOut(valid=0),
    )
    assert raw(data, "train", "brand") == [7, "?", 2**60 + 1, 7]
    assert raw(data, "test", "city") == ["Rome", "Oslo"]
    assert histories(data, "test", "brand") == [[7, 2**60 + 1], [7]]
    assert data.report["items_table"] == {"rows": 2, "rows_aside": 0, "rows_not_found": 2}
    assert data.report["values_missing"] == {"brand": 2}


def test_prior_history():
    prior_history = pd.DataFrame({"user": ["b", "a", "a", "c"], "item": ["z", "y", "q", "x"]})
    options = {**COLUMNS, "split": LeaveOneOut(valid=0)}
    data = prepare_impressions(a_log(), **options, prior_history={"hist": prior_history})
    assert histories(data, "test") == [["y", "q", "x", "z"], ["z", "x"]]
    assert data.report["earlier_of_unknown_users"] == {"hist": 1}
    timed = prior_history.assign(time=[1, 15, 25, 1])
    data = prepare_impressions(a_log(), **options, prior_history={"hist": timed})
    assert histories(data, "train") == [[], ["x", "y"], ["x", "y", "q"], ["z"]]
    check_no_leakage(data)


def test_prior_history_with_another_unit_and_bad_rows():
    log = a_log(time=[1_700_000_000 + t for t in (10, 20, 30, 10, 20, 40)])
    prior_history = pd.DataFrame(
        {
            "user": ["a", "a", "b", "c", "b"],
            "item": ["y", None, "z", "x", "q"],
            "time": [1_600_000_000_000 + t for t in range(4)] + [None],
        }
    )
    options = {**COLUMNS, "split": LeaveOneOut(valid=0)}
    data = prepare_impressions(log, **options, prior_history={"hist": prior_history}, max_bad=0.4)
    assert histories(data, "test") == [["y", "x", "z"], ["z", "x"]]
    assert data.report["earlier_of_unknown_users"] == {"hist": 1}
    assert data.report["earlier_aside"] == {"hist": 2}
    with pytest.raises(
        ValueError, match=r"rows of `prior_history` of 'hist' may .*Received: 2 of 5 row"
    ):
        prepare_impressions(log, **options, prior_history={"hist": prior_history})
    assert data.report["values_missing"] == {}


def test_values_that_are_not_in_training_are_out_of_vocabulary():
    log = a_log(item=["x", "y", "z", "x", "new", "newer"])
    data = prepare_impressions(log, **COLUMNS, split=LeaveOneOut(valid=0))
    assert sorted(data.spec.features["item"].vocabulary) == ["x", "y", "z"]
    assert raw(data, "test", "item") == ["?", "?"]
    assert data.report["parts"]["test"]["rows_with_unseen"] == {"item": 2}


def test_given_feature_is_used_unchanged():
    feature = Categorical("item", vocabulary=["y", "x"], dim=3)
    data = prepare_impressions(a_log(), **(COLUMNS | {"target": [feature]}))
    assert data.spec.target == (feature,)


def test_integers_and_strings_are_the_same_ids(tmp_path):
    log = a_log(user=[1, "1", 1.0, "b", "b", "1"], item=[7, "7", "z", 7, "y", 7])
    data = prepare_impressions(log, **COLUMNS, split=LeaveOneOut(valid=0))
    assert data.report["users"] == 2
    assert raw(data, "train", "item") == ["7", "7", "z", "7"]
    assert histories(data, "test") == [["7", "z"], ["7"]]
    # In the table of items, all ids are integers.
    items = pd.DataFrame({"item": [7, 8], "brand": ["A", "B"]})
    columns = COLUMNS | {"target": ["item", "brand"]}
    data = prepare_impressions(log, **columns, items=items, split=LeaveOneOut(valid=0))
    assert raw(data, "train", "brand") == ["A", "A", "?", "A"]


def test_ids_of_a_csv_file_keep_leading_zeros(tmp_path):
    log = a_log(user=["007", "7", "007", "7", "7", "007"], item=["01", "1", "2", "01", "1", "2"])
    log.to_csv(tmp_path / "log.csv", index=False)
    data = prepare_impressions(tmp_path / "log.csv", **COLUMNS, split=LeaveOneOut(valid=0))
    expected = prepare_impressions(log, **COLUMNS, split=LeaveOneOut(valid=0))
    assert data.report["users"] == expected.report["users"] == 2
    assert data.spec == expected.spec
    assert histories(data, "test") == histories(expected, "test")


@pytest.mark.parametrize(
    "feature",
    [
        Categorical("what", vocabulary=["07000", "08000"]),
        Categorical("what", hash_buckets=1000),
        Categorical("what", vocabulary=["true", "false"]),
        Categorical("what", vocabulary=["1.50", "2.00"]),
    ],
)
def test_given_feature_of_strings_reads_csv_as_text(tmp_path, feature):
    values = {"true": ["true", "false"], "1.50": ["1.50", "2.00"]}.get(
        (feature.vocabulary or ("",))[0], ["07000", "08000"]
    )
    log = a_log(what=values * 3)
    log.to_csv(tmp_path / "log.csv", index=False)
    options = {**COLUMNS, "context": [feature], "split": LeaveOneOut(valid=0)}
    of_file = prepare_impressions(tmp_path / "log.csv", **options).parts["train"].columns["what"]
    expected = prepare_impressions(log, **options).parts["train"].columns["what"]
    assert of_file.tolist() == expected.tolist()
    assert (of_file > 1).all()
    # The same with the table of users.
    users = pd.DataFrame({"user": ["a", "b"], "what": values})
    users.to_csv(tmp_path / "users.csv", index=False)
    data = prepare_impressions(a_log(), **options, users=tmp_path / "users.csv")
    assert (data.parts["train"].columns["what"] > 1).all()


def test_given_feature_of_integers_in_a_csv_file(tmp_path):
    large = 2**53 + 1
    log = a_log(item=["007", "7", str(large), "007", "7.0", str(large - 1)])
    log.to_csv(tmp_path / "log.csv", index=False)
    feature = Categorical("item", vocabulary=[7, large, large - 1])
    columns = COLUMNS | {"target": [feature]}
    data = prepare_impressions(tmp_path / "log.csv", **columns, split=LeaveOneOut(valid=0))
    assert raw(data, "train", "item") == ["?", 7, large, "?"]  # `007` is not the item `7`.
    assert data.report["parts"]["train"]["rows_with_unseen"] == {"item": 2}
    assert raw(data, "test", "item")[0] == large - 1


def test_whole_floats_in_training_stay_floats():
    log = a_log(price=[3.0, None, 4.0, 3.0, 2.5, 2.5])
    columns = COLUMNS | {"target": ["item", "price"]}
    data = prepare_impressions(log, **columns, split=LeaveOneOut(valid=0))
    assert isinstance(data.spec.features["price"], Numeric)
    assert data.parts["test"].columns["price"].tolist() == [2.5, 2.5]
    # A missing item in the table does not change the type either.
    items = pd.DataFrame({"item": ["x", "y"], "price": [3.0, 20.0]})
    data = prepare_impressions(a_log(), **columns, items=items, split=LeaveOneOut(valid=0))
    assert isinstance(data.spec.features["price"], Numeric)


def test_target_must_have_an_item():
    with pytest.raises(ValueError, match=r"`target` must hold the item. Received: target=\[\]"):
        prepare_impressions(a_log(), **(COLUMNS | {"target": []}))


def test_hashed_integers_must_not_contain_padding():
    hashed = {"hash_buckets": 8, "dtype": "int64"}
    log = a_log(item=[1, 2, 0, 1, 2, 1], other=[0, 1, 2, 0, 1, 2])
    columns = COLUMNS | {"target": [Categorical("item", **hashed)]}
    with pytest.raises(ValueError, match=r"'item' must not hold 0, .* 0 in row 2\."):
        prepare_impressions(log, **columns)
    tags = Bag("tags", **hashed)
    log = log.assign(item=log["item"] + 1, tags=[[1], [0, 2], [], [3], [4], [5]])
    with pytest.raises(ValueError, match=r"'tags' must not hold 0, .* 0 in row 1\."):
        prepare_impressions(log, **columns, context=[tags])
    # 0 is a valid value of other features.
    data = prepare_impressions(log, **columns, context=[Categorical("other", **hashed)])
    assert (data.parts["train"].columns["other"] >= 2).all()


def test_splits():
    column = a_log(part=["train", "train", "other", "valid", "test", "test"])
    data = prepare_impressions(column, **COLUMNS, split="part")
    assert {part: len(samples) for part, samples in data.parts.items()} == {
        "train": 2,
        "valid": 1,
        "test": 2,
    }
    assert data.report["rows_in_histories_only"] == 1
    # The click of "other" is in a history. Its item is not in training.
    assert histories(data, "test") == [["x", "?"], ["x"]]
    by_time = prepare_impressions(a_log(), **COLUMNS, split=ByTime(test_from=30), time_unit="s")
    assert by_time.parts["test"].time.tolist() == [30_000_000, 40_000_000]
    default = prepare_impressions(a_log(time=[10, 20, 30, 11, 21, 41]), **COLUMNS)
    same = prepare_impressions(
        a_log(time=[10, 20, 30, 11, 21, 41]), **COLUMNS, split=LastFraction()
    )
    assert default.parts["test"].time.tolist() == same.parts["test"].time.tolist() == [41_000_000]


def test_split_with_only_test_rows():
    known = prepare_impressions(a_log(), **COLUMNS, split=LeaveOneOut(valid=0)).spec
    log = a_log(item=["x", "new", "y", "x", "y", "x"], part="test")
    columns = COLUMNS | {"target": list(known.target)}
    data = prepare_impressions(log, **columns, split="part")
    assert list(data.parts) == ["test"]
    assert data.spec == known
    assert raw(data, "test", "item")[1] == "?"
    message = (
        r"from which the features \['item'\] are learned\. Received: none from 'part'\. Without"
    )
    with pytest.raises(ValueError, match=message):
        prepare_impressions(log, **COLUMNS, split="part")


def test_result_does_not_depend_on_the_order_of_the_log():
    rng = np.random.default_rng(0)
    log = pd.DataFrame(
        {
            "user": rng.choice([f"u{i}" for i in range(40)], 400),
            "time": rng.permutation(400),
            "item": rng.integers(30, size=400),
            "click": rng.integers(2, size=400),
            "price": rng.lognormal(3, 2, 400),
        }
    )
    log["tags"] = [[f"t{i}" for i in row] for row in rng.integers(9, size=(400, 2))]
    other = log.sample(frac=1, random_state=1).reset_index(drop=True)
    columns = COLUMNS | {"target": ["item", "price", "tags"], "time_unit": "s"}
    for split in (LastFraction(), ByUser(seed=3), LeaveOneOut()):
        first, second = (prepare_impressions(each, **columns, split=split) for each in (log, other))
        assert first.spec.to_json() == second.spec.to_json()
        assert fingerprint(first) == fingerprint(second)
    columns.pop("label")
    first, second = (prepare_interactions(each, **columns) for each in (log, other))
    assert first.spec.to_json() == second.spec.to_json()
    assert fingerprint(first) == fingerprint(second)


def test_bad_rows_are_kept_aside(tmp_path):
    text = "user,item,time,click\na,x,10,1\na,,20,1\n,x,10,1\na,y,tomorrow,0\na,y,20,2\na,z,30\n"
    text += "a,y,20,-1\na,x,10,1\na,y,40,0\na,z,50,1\n"
    (tmp_path / "log.csv").write_text(text)
    options = {"split": LeaveOneOut(valid=0), "duplicates": "drop", "max_bad": 0.2}
    data = prepare_impressions(tmp_path / "log.csv", **COLUMNS, **options)
    assert data.bad_rows["line"].tolist() == [3, 4, 5, 6, 7, 8, 9]
    assert data.bad_rows["reason"].tolist() == [
        "'item' is missing",
        "'user' is missing",
        "'time' is not a time",
        "'click' is neither 0 nor 1",
        "3 fields, not 4: a,z,30",
        "'click' is neither 0 nor 1",
        "the row is a duplicate",
    ]
    assert data.report["rows"] == 10
    assert data.report["rows_kept"] == 3
    data.save(tmp_path / "prepared")
    loaded = type(data).load(tmp_path / "prepared")
    assert loaded.bad_rows["line"].tolist() == data.bad_rows["line"].tolist()
    with pytest.raises(ValueError, match="Received in line 3: 'item' is missing"):
        prepare_impressions(tmp_path / "log.csv", **COLUMNS, strict=True)


@pytest.mark.parametrize("form", ["csv", "csv.gz", "tsv", "parquet"])
def test_file_formats(tmp_path, form):
    path = tmp_path / f"log.{form}"
    if form == "parquet":
        a_log().to_parquet(path)
    else:
        a_log().to_csv(path, index=False, sep="\t" if form == "tsv" else ",")
    from_file = prepare_impressions(path, **COLUMNS, split=LeaveOneOut(valid=0))
    assert histories(from_file, "test") == [["x", "z"], ["x"]]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"target": ["item", "brand"]}, r"Columns \['brand'\] must be in the log\. Received col"),
        (
            {"target": ["item", "brand"], "items": pd.DataFrame({"item": ["x"]})},
            r"Columns \['brand'\] must be in the log, or in `items`\.",
        ),
        (
            {
                "target": ["item", "brand"],
                "items": pd.DataFrame({"item": ["x", "x"], "brand": [1, 2]}),
            },
            "`items` must have one row for each 'item'. Received: 'x' twice",
        ),
        (
            {"target": ["item", "brand"], "items": pd.DataFrame({"item": [1], "brand": [1]})},
            "none in common",
        ),
        (
            {"prior_history": {"history": a_log()}},
            r"`prior_history` must name sequences: \['hist'\]",
        ),
        ({"target": [3]}, r"`target` must hold names of columns.*Received: target=\[3\]"),
        ({"split": "click"}, r"Column 'click' must hold 'train', 'valid' or 'test'.*\['0', '1'\]"),
        ({"split": 3}, r"`split` must be LeaveOneOut\(\).* Received: split=3"),
        ({"dim": 0}, "`dim` must be a positive integer. Received: dim=0"),
        ({"dim": {"shoe": 3}}, r"`dim` must name columns of the log: \['item'\]"),
        ({"min_count": 9}, "Column 'item' must have values that occur `min_count` times"),
        ({"source": 3}, "A table must be a DataFrame .* Received: builtins.int"),
    ],
)
def test_invalid_arguments_raise(options, message):
    source = options.get("source", a_log())
    options = {name: value for name, value in options.items() if name != "source"}
    with pytest.raises(ValueError, match=message):
        prepare_impressions(source, **(COLUMNS | options))


@pytest.mark.parametrize("write", ["csv", "parquet", None])
def test_missing_item_does_not_change_the_type(tmp_path, write):
    log = a_log(item=[1, 2, 3, 1, None, 1], shop=[5, 6, 5, 5, 6, None])
    if write:
        getattr(log, f"to_{write}")(tmp_path / f"log.{write}", index=False)
        log = tmp_path / f"log.{write}"
    columns = COLUMNS | {"target": ["item", "shop"]}
    options = {"categorical": ["shop"], "split": LeaveOneOut(valid=0), "max_bad": 0.2}
    data = prepare_impressions(log, **columns, **options)
    assert data.spec.features["item"].vocabulary == (1, 2, 3)
    assert data.spec.features["shop"].vocabulary == (5, 6)  # The missing value is in the test part.
    assert data.report["rows_aside"] == {
        "'item' is missing": {"rows": 1, "first_line": 4 + 2 * (write == "csv")}
    }


def test_float_items():
    whole = prepare_impressions(a_log(item=[1.0, 2.0, 3.0, 1.0, 2.0, 1.0]), **COLUMNS)
    assert whole.spec.features["item"].vocabulary == (1, 2)
    with pytest.raises(ValueError, match="The item, the first of `target`, must have strings or"):
        prepare_impressions(a_log(item=[1.5, 2.0, 3.0, 1.0, 2.0, 1.0]), **COLUMNS)


def test_of_must_name_features_of_the_target():
    with pytest.raises(ValueError, match=r"`of` must hold features of `target`: \['item'\]. Rec"):
        prepare_impressions(a_log(brand=1), **COLUMNS, of=["item", "brand"])


def test_prior_history_of_unknown_users_only():
    prior_history = pd.DataFrame({"user": [1, 2], "item": ["x", "y"]})
    with pytest.raises(ValueError, match=r"`prior_history` must have rows .* none in common"):
        prepare_impressions(a_log(), **COLUMNS, prior_history={"hist": prior_history})
