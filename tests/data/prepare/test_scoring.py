"""Raw logs for scoring: histories from prepared data and from the log itself."""

import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from keras_din.data.prepare.scoring import log_to_samples

ITEMS = ["a", "b", "c"]
ITEM = kd.Categorical("item", vocabulary=ITEMS, dim=2)
TAGS = kd.Bag("tags", vocabulary=["x", "y"], dim=2)
SPEC = kd.FeatureSpec(
    context=[kd.Numeric("age", mean=5.0)],
    target=[ITEM, TAGS],
    sequences=[kd.Sequence("hist", of=[ITEM, TAGS], max_length=9)],
)
COLUMNS = {"user": "who", "time": "t"}


def old_log():
    """Ann clicked a at 10 and c at 30. Bob clicked b at 20. Eve clicked nothing."""
    return pd.DataFrame(
        {
            "who": ["ann", "bob", "ann", "eve"],
            "t": [10, 20, 30, 40],
            "item": ["a", "b", "c", "a"],
            "tags": [["x"], ["x", "y"], [], ["y"]],
            "age": [1.0, 2.0, 1.0, 9.0],
            "click": [1, 1, 1, 0],
        }
    )


def prepared(tmp_path, loaded=True):
    data = kd.data.prepare_impressions(
        old_log(),
        **COLUMNS,
        label="click",
        target=[ITEM, TAGS],
        context=[kd.Numeric("age", mean=5.0)],
        time_unit="s",
        split=lambda user, position, count, time: np.zeros(len(user), int),
    )
    if not loaded:
        return data
    data.save(tmp_path / "data")
    return kd.data.PreparedData.load(tmp_path / "data")


def new_log():
    """Rows in random order. The data already contains the first one."""
    return pd.DataFrame(
        {
            "who": ["ann", "dan", "ann", "bob", "ann", None, "dan", "bob"],
            "t": [30, 50, 60, 20, 31, 70, 51, 90],
            "item": ["c", "b", "new", "a", "b", "a", "c", None],
            "tags": [[], ["z"], ["x"], ["y"], ["x"], [], ["x", "y"], []],
            "age": [1.0, None, 1.0, 2.0, 1.0, 3.0, 3.0, 2.0],
            "click": [1, 1, 0, 0, 1, 1, 0, 1],
        }
    )


def histories(log):
    start, end = log.samples.history["hist"]
    items = log.behaviors["hist"].columns["item"]
    return [[[*"..", *ITEMS][i] for i in items[s:e]] for s, e in zip(start, end, strict=True)]


@pytest.mark.parametrize("loaded", [True, False])
def test_histories_are_the_behaviors_before(tmp_path, loaded):
    data = prepared(tmp_path, loaded)
    log = log_to_samples(
        new_log(), SPEC, data, **COLUMNS, sequences={"hist": "click"}, time_unit="s"
    )
    assert log.samples.line.tolist() == [0, 1, 2, 3, 4, 6]
    # Ann's c at 30 is in both and counts once. Behaviors at the time of the row do not count.
    assert histories(log) == [["a"], [], ["a", "c", "b"], [], ["a", "c"], ["b"]]
    assert log.samples.columns["item"].tolist() == [4, 3, 1, 2, 3, 4]
    assert log.samples.columns["age"].tolist() == [1, 5, 1, 2, 1, 3]
    tags = log.behaviors["hist"].columns["tags"]
    start, end = log.samples.history["hist"]
    assert [tags.values_of(i).tolist() for i in range(start[2], end[2])] == [[2], [], [2]]
    assert log.report == {
        "rows": 8,
        "rows_aside": {"'who' is missing": 1, "'item' is missing": 1},
        "users": 3,
        "users_without_data": 1,
        "behaviors": {"hist": 2},
        "behaviors_in_data": {"hist": 1},
        "values_missing": {"age": 1},
    }


def test_without_labels_and_without_data(tmp_path):
    shown = new_log().drop(columns="click")
    log = log_to_samples(shown, SPEC, prepared(tmp_path), **COLUMNS, time_unit="s")
    assert histories(log) == [["a"], [], ["a", "c"], [], ["a", "c"], []]
    log = log_to_samples(
        new_log(), SPEC, None, **COLUMNS, sequences={"hist": "click"}, time_unit="s"
    )
    assert histories(log) == [[], [], ["c", "b"], [], ["c"], ["b"]]
    assert log.report["users_without_data"] == 3
    log = log_to_samples(shown, SPEC, None, **COLUMNS, time_unit="s")
    assert histories(log) == [[]] * 6


def test_a_request_has_one_time(tmp_path):
    """Ann's rows at 30 to 60 were shown together, so her clicks among them are not earlier."""
    shown = new_log().assign(page=[1, 2, 1, 3, 1, 4, 5, 6])
    log = log_to_samples(
        shown, SPEC, None, **COLUMNS, sequences={"hist": "click"}, request="page", time_unit="s"
    )
    assert histories(log) == [[], [], [], [], [], ["b"]]


def test_scored_rows_equal_prepared_rows():
    """Prepared data and the raw log give the same batches."""
    log = old_log()
    data = kd.data.prepare_impressions(
        log,
        **COLUMNS,
        label="click",
        target=["item", "tags"],
        time_unit="s",
        split=lambda user, position, count, time: np.zeros(len(user), int),
    )
    scored = log_to_samples(
        log, data.spec, data, **COLUMNS, sequences={"hist": "click"}, time_unit="s"
    )
    assert scored.report["behaviors"] == {"hist": 0}
    order = np.argsort(data.parts["train"].line)
    ((expected, _),) = kd.data.dataset(data.spec, data.behaviors, data.parts["train"][order])
    ((found, _),) = kd.data.dataset(data.spec, scored.behaviors, scored.samples)
    for name in data.spec.inputs:
        np.testing.assert_array_equal(found[name], expected[name])


def test_invalid_arguments_raise(tmp_path):
    data = prepared(tmp_path)
    score = lambda log, data=data, **more: log_to_samples(  # noqa: E731
        log, SPEC, data, **COLUMNS, time_unit="s", **more
    )
    with pytest.raises(ValueError, match=r"must name sequences of the model: \['hist'\]"):
        score(new_log(), sequences={"likes": "click"})
    with pytest.raises(
        ValueError, match=r"'click' must be 0, 1 or missing.* 'yes' in line 1.* empty"
    ):
        score(new_log().assign(click=[1, "yes", *[0] * 6]), sequences={"hist": "click"})
    words = new_log().assign(click=[1, "yes", 0, 0, 1, 1, 0, 1])
    mapped = score(words, sequences={"hist": "click"}, label_map={"hist": {"yes": 1}})
    assert mapped.report == score(new_log(), sequences={"hist": "click"}).report
    with pytest.raises(ValueError, match=r"`label_map` must map .* the labels are \['hist'\]"):
        score(words, sequences={"hist": "click"}, label_map={"item": {"yes": 1}})
    with pytest.raises(ValueError, match=r"Columns \['age'\] must be in the log"):
        score(new_log().drop(columns="age"))
    with pytest.raises(
        ValueError, match=r"at least one row that can be scored\..*'who' is missing"
    ):
        score(new_log().assign(who=None))
    without = kd.data.PreparedData(SPEC, data.behaviors, data.parts)
    with pytest.raises(ValueError, match="`data` must contain the raw values of its users"):
        score(new_log(), without)
    log = data.behaviors["hist"]
    timeless = {"hist": kd.data.BehaviorLog(log.offsets, log.columns)}
    timeless = kd.data.PreparedData(SPEC, timeless, data.parts, users=data.users)
    with pytest.raises(ValueError, match="`data` must hold the times of its behaviors"):
        score(new_log(), timeless)
