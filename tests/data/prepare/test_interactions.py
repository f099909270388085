"""`prepare_interactions`: positives in time order, and negatives that the user never met."""

from itertools import chain

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest

from keras_din.data import ByTime, LeaveOneOut, prepare_interactions
from keras_din.features import Categorical
from tests.data.prepare.leakage import check_no_leakage
from tests.data.prepare.shared import histories, raw

ITEMS = [f"i{i}" for i in range(12)]
# Contains all items. Another test covers out-of-vocabulary items.
ITEM = Categorical("item", vocabulary=ITEMS, dim=2)
COLUMNS = {"user": "user", "time": "time", "target": [ITEM]}


def a_log(**changes):
    columns = {
        "user": ["a", "a", "a", "a", "b", "b", "b", "c"],
        "item": ["i0", "i1", "i2", "i3", "i3", "i4", "i5", "i6"],
        "time": [1, 2, 3, 4, 1, 2, 3, 9],
        "shop": [1, 2, 1, 2, 1, 2, 1, 2],
    }
    return pd.DataFrame({**columns, **changes})


def test_positives_and_negatives():
    data = prepare_interactions(a_log(), **COLUMNS)
    positives = {part: raw(data, part, "item")[::2] for part in data.parts}
    assert positives == {"train": ["i1"], "valid": ["i2", "i4"], "test": ["i3", "i5"]}
    assert histories(data, "test")[::2] == [["i0", "i1", "i2"], ["i3", "i4"]]
    assert histories(data, "test")[1::2] == histories(data, "test")[::2]
    assert data.parts["test"].label.tolist() == [1, 0, 1, 0]
    assert data.report["users_with_one_behavior"] == 1
    assert data.report["rows_in_histories_only"] == 3
    assert data.report["items"] == 7
    check_no_leakage(data)


def test_number_of_rows_in_the_din_protocol():
    """Of n behaviors of a user, positions 1 to n - 2 are training and n - 1 is the test."""
    data = prepare_interactions(a_log(), **COLUMNS, split=LeaveOneOut(valid=0))
    assert {part: len(samples) for part, samples in data.parts.items()} == {"train": 6, "test": 4}


behaviors = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 5)), min_size=6, max_size=40
)


@hypothesis.given(behaviors, st.sampled_from(["exclude", "order"]), st.integers(1, 3))
@hypothesis.settings(max_examples=30, deadline=None)
def test_histories_match_a_slow_loop(rows, ties, negatives):
    frame = pd.DataFrame(rows, columns=["user", "time", "item"]).drop_duplicates(ignore_index=True)
    frame["item"] = [f"i{i}" for i in frame["item"]]
    hypothesis.assume((frame["user"].value_counts() > 1).any())
    data = prepare_interactions(
        frame,
        **COLUMNS,
        items=pd.DataFrame({"item": ITEMS}),
        split=lambda user, position, count, time: np.zeros(len(user), int),
        negatives=negatives,
        ties=ties,
    )
    if ties == "exclude":
        check_no_leakage(data)
    in_order = frame.sort_values(["user", "time"], kind="stable")
    expected = []
    for user in sorted(frame["user"].unique()):
        mine = in_order[in_order["user"] == user].reset_index()
        for i in range(1, len(mine)):
            before = mine[:i] if ties == "order" else mine[mine["time"] < mine["time"][i]]
            expected.append((mine["item"][i], before["item"].tolist(), set(mine["item"])))
    each = 1 + negatives
    items, found = raw(data, "train", "item"), histories(data, "train")
    assert len(items) == len(expected) * each
    order = np.lexsort((data.parts["train"].time[::each], data.parts["train"].group[::each]))
    np.testing.assert_array_equal(order, np.arange(len(expected)))
    for i, (item, history, whole_list) in enumerate(expected):
        candidates = items[i * each : (i + 1) * each]
        assert candidates[0] == item
        assert not set(candidates[1:]) & whole_list
        assert found[i * each : (i + 1) * each] == [history] * each
    np.testing.assert_array_equal(
        data.parts["train"].label.reshape(-1, each), [[1] + [0] * negatives] * len(expected)
    )


def test_requests_of_positives_and_negatives():
    data = prepare_interactions(a_log(), **COLUMNS, negatives=3)
    ((x, y),) = data.dataset("test", by_request=True)
    assert x["item"].shape == (2, 4)
    assert y.numpy().tolist() == [[1, 0, 0, 0]] * 2


def test_ties():
    log = a_log(user=["a"] * 8, item=ITEMS[:8], time=[1, 1, 1, 2, 2, 3, 3, 3])
    options = {"split": LeaveOneOut(valid=0, test=2), "items": pd.DataFrame({"item": ITEMS})}
    exclude = prepare_interactions(log, **COLUMNS, **options)
    order = prepare_interactions(log, **COLUMNS, **options, ties="order")
    assert [len(h) for h in histories(exclude, "test")[::2]] == [5, 5]
    assert [len(h) for h in histories(order, "test")[::2]] == [6, 7]


def test_item_features_are_from_the_first_behavior_or_the_table():
    target = {**COLUMNS, "target": [ITEM, "shop"]}
    data = prepare_interactions(a_log(), **target, split=LeaveOneOut(valid=0))
    shop = dict(zip(raw(data, "train", "item"), raw(data, "train", "shop"), strict=True))
    shop |= dict(zip(raw(data, "test", "item"), raw(data, "test", "shop"), strict=True))
    by_time = a_log().sort_values("time", kind="stable").drop_duplicates("item")
    first = dict(zip(by_time["item"], by_time["shop"], strict=True))
    assert first["i3"] == 1  # Of b at time 1. That of a is at 4.
    assert shop == {item: first[item] for item in shop}
    table = pd.DataFrame({"item": ITEMS, "shop": range(100, 112)})
    data = prepare_interactions(a_log(), **target, items=table)
    assert data.report["items"] == 12
    for part in data.parts:
        pairs = zip(raw(data, part, "item"), raw(data, part, "shop"), strict=True)
        assert all(shop == "?" or f"i{shop - 100}" == item for item, shop in pairs)


def test_large_ids_and_bad_rows_of_the_table():
    large = 2**60 + 1 + 2 * np.arange(8)  # Floats would round them.
    log = a_log(shop=large, brand=["x"] * 8)
    table = pd.DataFrame({"item": [*ITEMS[:9], None], "brand": ["y"] * 10})
    columns = COLUMNS | {"target": [ITEM, "shop", "brand"]}
    data = prepare_interactions(log, **columns, items=table, max_bad=0.1)
    assert {*data.spec.features["shop"].vocabulary} <= {*large.tolist()}
    assert data.spec.features["brand"].vocabulary == ("y",)
    of_table = {"rows": 9, "rows_aside": 1, "rows_not_found": 0}
    assert data.report["items_table"] == of_table
    with pytest.raises(ValueError, match="1 of 10 rows for this reason: the row is bad, or has no"):
        prepare_interactions(log, **columns, items=table)


def test_negatives_of_a_column():
    log = a_log(other=[None, "i9", "i8", "i7", None, "i9", "i6", None])
    items = pd.DataFrame({"item": ITEMS})
    data = prepare_interactions(log, **COLUMNS, items=items, negatives="other")
    negatives = [raw(data, part, "item")[1::2] for part in ("train", "valid", "test")]
    assert negatives == [["i9"], ["i8", "i9"], ["i7", "i6"]]
    log.loc[3, "other"] = "i77"
    with pytest.raises(ValueError, match=r"'other' must hold an item of the catalog .*'i77'"):
        prepare_interactions(log, **COLUMNS, items=items, negatives="other")


def test_negatives_by_popularity():
    rng = np.random.default_rng(0)
    log = pd.DataFrame({"user": np.repeat(np.arange(400), 6), "time": np.tile(np.arange(6), 400)})
    columns = COLUMNS | {"target": ["item"]}
    log["item"] = rng.choice(50, len(log), p=np.repeat([0.05, 0.01], [12, 38]) / 0.98)
    share = {}
    for how in ("uniform", "popularity"):
        data = prepare_interactions(log, **columns, negatives_by=how)
        negatives = np.array(raw(data, "train", "item"))[1::2]
        share[how] = np.mean(negatives < 12)
    assert share["uniform"] < 0.25
    assert share["popularity"] > 0.45


def test_seed_determines_the_negatives():
    def draw(seed):
        items = pd.DataFrame({"item": ITEMS})
        data = prepare_interactions(a_log(), **COLUMNS, items=items, seed=seed, negatives=5)
        return data.parts["test"].columns["item"]

    np.testing.assert_array_equal(draw(1), draw(1))
    assert (draw(1) != draw(2)).any()


def test_negatives_of_a_user_do_not_depend_on_other_users():
    rng = np.random.default_rng(0)
    log = pd.DataFrame({"user": rng.integers(30, size=200), "time": rng.permutation(200) + 1})
    log["item"] = np.array(ITEMS)[np.arange(200) % 6]

    def negatives(rows, items):
        data = prepare_interactions(
            rows, **COLUMNS, items=pd.DataFrame({"item": items}), negatives=3, time_unit="s"
        )
        return {
            time: tuple(items)
            for part, samples in data.parts.items()
            for time, *items in zip(
                samples.time[::4], *np.reshape(raw(data, part, "item"), (-1, 4)).T, strict=True
            )
        }

    whole = negatives(log, ITEMS)
    some = log[log["user"] % 3 == 0].sample(frac=1, random_state=1)
    found = negatives(some, ITEMS[::-1])
    assert len(found) > 30
    assert found.items() <= whole.items()


def test_context_and_side_features():
    log = a_log(device=["phone", "tv"] * 4)
    data = prepare_interactions(
        log, **COLUMNS, context=["device"], side_features=["shop"], split=LeaveOneOut(valid=0)
    )
    assert list(data.spec.inputs) == ["device", "item", "hist_item", "hist_shop"]
    assert raw(data, "test", "device") == ["tv", "tv", "phone", "phone"]
    assert histories(data, "test", "shop")[::2] == [[1, 2, 1], [1, 2]]


def test_split_by_time_and_by_column():
    data = prepare_interactions(a_log(), **COLUMNS, split=ByTime(test_from=3), time_unit="s")
    assert raw(data, "test", "item")[::2] == ["i2", "i3", "i5"]
    assert raw(data, "train", "item")[::2] == ["i1", "i4"]
    column = a_log(part=["train", "train", "none", "test", "train", "train", "test", "none"])
    data = prepare_interactions(column, **COLUMNS, split="part")
    assert raw(data, "train", "item")[::2] == ["i1", "i4"]
    assert len(histories(data, "test")[0]) == 3


def test_values_that_are_not_in_training_are_out_of_vocabulary():
    log = pd.concat([a_log(), a_log(user=[f"{u}2" for u in a_log()["user"]])], ignore_index=True)
    late = a_log(item=["n0", "n1", "n2", "n3"] * 2, user=["a"] * 8, time=range(20, 28))
    options = COLUMNS | {"target": ["item"]}
    data = prepare_interactions(
        pd.concat([log, late]), **options, split=ByTime(test_from=20), time_unit="s", seed=1
    )
    # Training contains its positives, their histories, and its negatives.
    items = {*raw(data, "train", "item"), *chain.from_iterable(histories(data, "train"))}
    assert set(data.spec.features["item"].vocabulary) == items
    assert "?" not in items
    unseen = [item for item in raw(data, "test", "item") if item == "?"]
    assert data.report["parts"]["test"]["rows_with_unseen"] == {"item": len(unseen)}
    assert unseen


def test_bad_rows_and_duplicates():
    log = pd.concat([a_log(), a_log()[2:3], a_log(item=None)[:1]], ignore_index=True)
    data = prepare_interactions(log, **COLUMNS, duplicates="drop", max_bad=0.1)
    assert data.report["rows_aside"] == {
        "'item' is missing": {"rows": 1, "first_line": 9},
        "the row is a duplicate": {"rows": 1, "first_line": 8},
    }
    for options in ({}, {"duplicates": None}, {"duplicates": "keep"}):
        twice = prepare_interactions(log, **COLUMNS, max_bad=0.1, **options)
        assert twice.report["rows_kept"] == 9
        assert twice.report["rows_repeated"] == 1
    with pytest.raises(ValueError, match=r"1 of 10 rows .*'item' is missing; the first is in line"):
        prepare_interactions(log, **COLUMNS)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"duplicates": "no"}, "`duplicates` must be one of None, 'keep', 'drop'"),
        ({"ties": "keep"}, "`ties` must be one of 'exclude', 'order'. Received: ties='keep'"),
        ({"negatives": 0}, "`negatives` must be a positive integer. Received: negatives=0"),
        ({"negatives_by": "hour"}, "`negatives_by` must be one of 'uniform', 'popularity'"),
        ({"negatives": "none"}, r"Columns \['none'\] must be in the log"),
        ({"split": LeaveOneOut(test=2)}, "must leave training rows with a history"),
        ({"items": pd.DataFrame({"item": [1, 2]})}, "`items` must have rows for the values of"),
        (
            {"items": pd.DataFrame({"item": ["i1", "i1"]})},
            "`items` must have one row for each 'item'",
        ),
    ],
)
def test_invalid_arguments_raise(options, message):
    with pytest.raises(ValueError, match=message):
        prepare_interactions(a_log(), **(COLUMNS | options))


def test_user_who_met_all_items_raises():
    log = a_log(user=["a"] * 8)
    message = r"Received: 1 user who met all 7 items .* user 'a'\. Leave .*`items`.*`negatives='c"
    with pytest.raises(ValueError, match=message):
        prepare_interactions(log, **COLUMNS)
