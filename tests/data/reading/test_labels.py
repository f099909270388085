"""Labels other than 0 and 1: errors with a remedy, and `label_map`."""

import datetime
import itertools
import re

import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from keras_din.data import (
    prepare_impressions,
    prepare_interactions,
    prepare_tuples,
    rows_to_samples,
)
from keras_din.data.reading.bad_share import check_bad_share
from keras_din.data.reading.labels import (
    check_both_classes,
    require_labels,
    to_labels,
    to_numbers,
)

LOG = {"user": "user", "time": "time", "target": ["item"], "allow_empty_parts": True}


def a_log(click, rows=200):
    """A log with few columns and coarse times, so that most rows are duplicates of another."""
    return pd.DataFrame(
        {
            "user": [f"u{i % 5}" for i in range(rows)],
            "item": [f"i{i % 4}" for i in range(rows)],
            "time": [1_700_000_000 + 3600 * (i // 50) for i in range(rows)],
            "click": [click[i % len(click)] for i in range(rows)],
        }
    )


@pytest.mark.parametrize(
    "values, label_map, expected",
    [
        ([1, 0, True, False, "1", "0.0", 1.0], None, [1, 0, 1, 0, 1, 0, 1]),
        ([-1, 1, "-1", -1.0], {-1: 0}, [0, 1, 0, 0]),
        (pd.Series([-1, 1, None], dtype="Int64"), {"-1": 0, None: 0}, [0, 1, 0]),
        (["yes", "no", None], {"yes": 1, "no": 0, None: 0}, [1, 0, 0]),
        (pd.Series(["yes", "no"], dtype="category"), {"yes": 1, "no": 0}, [1, 0]),
        ([0, 1], {0: 1, 1: 0}, [1, 0]),
        ([3, 0, 1], {3: True}, [1, 0, 1]),
        (["True", "false", "TRUE", "0"], None, [1, 0, 1, 0]),
        (pd.Series(["True", "False"], dtype="string"), {"True": 0}, [0, 0]),
    ],
)
def test_label_map(values, label_map, expected):
    labels, nothing, wrong = to_labels("click", values, label_map)
    assert labels.tolist() == expected
    assert not nothing.any()
    assert not wrong.any()


@pytest.mark.parametrize("label_map", [[-1], {-1: 2}, {(1,): 0}, {"no": "0"}])
def test_invalid_label_map_raises(label_map):
    with pytest.raises(ValueError, match=r"`label_map` must .*Received: "):
        to_labels("click", [0, 1], label_map)


@pytest.mark.parametrize(
    "values, message",
    [
        (
            [1, -1, 1],
            r"Received: -1 in row 1\. Map .* with `label_map=\{-1: 0\}`.*`--label-map -1=0`",
        ),
        ([1, 2, 2], r"Received: 2 in row 1\. Map .*`label_map=\{1: 0, 2: 1\}` .*map 1=0,2=1`\)\."),
        ([0.5, 0.2], r"Received: 0\.5 in row 0\. Map .*`label_map=\{0\.5: 1, 0\.2: 0\}`"),
        (["2", "1"], r"Received: '2' in row 0\. Map .*`label_map=\{'2': 1, '1': 0\}`"),
        (
            [0, 2, 3],
            r"Received: 2 in row 1\. .*`label_map=\{0: 0, 2: 1, 3: 1\}` .* for example",
        ),
        (
            [5, 1, 4, 2, 3],
            r"Received: 5 .*`label_map=\{1: 0, 2: 0, 3: 0, 4: 1, 5: 1\}` .*, for example, or conv",
        ),
        (["a", "b"], r"Received: 'a' in row 0\. .*`label_map=\{'a': 0, 'b': 1\}` .*, for example"),
        (["no", "yes"], r"Received: 'no' in row 0\. Map .*`label_map=\{'no': 0, 'yes': 1\}`"),
        ([1, None], r"Received: no value in row 1\. Map .*`label_map=\{None: 0\}`.*--label-map =0"),
        (
            list(range(19)),
            r"Received: 2 in row 2\. .*`label_map=\{0: 0, 18: 1\}` .*or convert the column",
        ),
    ],
)
def test_remedy_for_wrong_labels(values, message):
    with pytest.raises(ValueError, match=rf"Label 'click' must be 0 or 1 in every row\. {message}"):
        require_labels("click", values)


def test_many_wrong_labels_raise():
    log = a_log([-1, -1, 1, -1])
    message = (
        r"At most 1 % of the rows of the log .* Received: 150 of 200 rows for this reason: 'click' "
        r"is neither 0 nor 1; the first is -1 in line 0\. .*`label_map=\{-1: 0\}`.*`max_bad=0.75`"
    )
    with pytest.raises(ValueError, match=message):
        prepare_impressions(log, **LOG, label="click")
    data = prepare_impressions(log, **LOG, label="click", label_map={-1: 0})
    assert data.report["rows_kept"] == 200
    assert sum(part.label.sum() for part in data.parts.values()) == 50
    with pytest.raises(
        ValueError, match=r"rows with label 0\. Received: .* rows, all with label 1"
    ):
        prepare_impressions(log, **LOG, label="click", max_bad=0.75)


def test_equal_impressions_are_kept():
    data = prepare_impressions(a_log([1, 0]), **LOG, label="click")
    assert data.report["rows_kept"] == 200
    assert data.report["rows_repeated"] == 120  # 20 distinct rows in each of 4 hours.
    clicks = sum(part.label.sum() for part in data.parts.values())
    assert clicks / 200 == 0.5
    dropped = prepare_impressions(a_log([1, 0]), **LOG, label="click", duplicates="drop")
    assert dropped.report["rows_kept"] == 80
    assert dropped.report["rows_repeated"] == 0
    assert (
        prepare_interactions(a_log([1]).assign(item=range(200)), **LOG).report["rows_kept"] == 200
    )


def test_equal_impressions_of_one_request_are_duplicates():
    log = a_log([1, 0]).assign(request=range(200))
    again = pd.concat([log, log[:1]], ignore_index=True)
    options = {**LOG, "label": "click", "request": "request"}
    assert prepare_impressions(log, **options).report["rows_kept"] == 200
    data = prepare_impressions(again, **options)
    assert data.report["rows_aside"] == {"the row is a duplicate": {"rows": 1, "first_line": 200}}
    assert prepare_impressions(again, **options, duplicates="keep").report["rows_kept"] == 201
    many = pd.concat([log, log[:9]], ignore_index=True)
    with pytest.raises(
        ValueError, match=r"9 of 209 rows .*duplicate.*Keep them with `duplicates='k"
    ):
        prepare_impressions(many, **options)


def test_max_bad_applies_to_each_reason():
    log = a_log([1, 0]).assign(item=[f"i{i % 50}" for i in range(200)])
    log.loc[5:7, "time"] = None
    for prepare, options in ((prepare_impressions, {"label": "click"}), (prepare_interactions, {})):
        with pytest.raises(
            ValueError, match=r"3 of 200 rows .* 'time' is missing; the first is in l"
        ):
            prepare(log, **LOG, **options)
        assert prepare(log, **LOG, **options, max_bad=0.02).report["rows_kept"] == 197
        with pytest.raises(
            ValueError, match=r"`max_bad` must be a number in \[0, 1\]\. Received: m"
        ):
            prepare(log, **LOG, **options, max_bad=2)
    check_bad_share("the log", {"why": {"rows": 2}}, 200, 0.01)


def test_labels_of_rows_and_tuples():
    item = kd.Categorical("item", vocabulary=["x", "y"], dim=4)
    spec = kd.FeatureSpec(target=[item])
    frame = pd.DataFrame({"item": ["x", "y", "x"], "click": [-1, 1, -1]})
    with pytest.raises(ValueError, match=r"Received: -1 in row 0\. .*`label_map=\{-1: 0\}`"):
        rows_to_samples(frame, spec, "click")
    _, samples = rows_to_samples(frame, spec, "click", label_map={-1: 0})
    assert samples.label.tolist() == [0, 1, 0]
    with pytest.raises(
        ValueError, match=r"must have rows with label 1 and .*Received: 3 rows, all"
    ):
        kd.data.rows_dataset(frame.assign(click=1), spec, "click", shuffle=True)
    train = [(0, [0], 1, 1), (0, [0], 2, -1)]
    with pytest.raises(ValueError, match=r"'label' must .*Received: -1 in row 1\. .*label_map"):
        prepare_tuples(train, [], [0, 1, 0])
    data = prepare_tuples(train, [], [0, 1, 0], label_map={-1: 0})
    assert data.parts["train"].label.tolist() == [1, 0]
    with pytest.raises(ValueError, match="Received: 1 row, all with label 1 in the tuples"):
        prepare_tuples(train[:1], [], [0, 1, 0])


def test_labels_of_one_class_raise():
    check_both_classes(np.array([0, 1]), "column 'click'")
    check_both_classes(np.array([]), "column 'click'")
    with pytest.raises(ValueError, match="Received: 3 rows, all with label 0 in column 'click'"):
        check_both_classes(np.zeros(3), "column 'click'")


COLUMNS = ("click", "watch", "weight", "item", "price")


@pytest.mark.parametrize(
    "column, as_objects",
    # As objects, times are read one by one.
    [("time", False), *itertools.product(COLUMNS, [False, True])],
)
def test_durations_are_refused_with_their_remedy(column, as_objects):
    rows = 40
    log = pd.DataFrame(
        {
            "user": np.arange(rows) % 4,
            "time": 1_600_000_000 + np.arange(rows) * 60,
            "item": np.arange(rows) % 7,
            "price": np.arange(rows) * 1.5,
            "click": np.arange(rows) // 4 % 2,
            "watch": np.arange(rows) % 9,
            "weight": 1.0,
        }
    )
    durations = pd.to_timedelta(log["click"], unit="s")
    if as_objects:
        durations = pd.Series([each.to_pytimedelta() for each in durations], dtype=object)
    label = {"click": "click", kd.Label("watch", loss="huber"): "watch"}
    words = {"user": "user", "time": "time", "target": ["item", "price"], "weight": "weight"}
    with pytest.raises(ValueError, match=f"Column '{column}' must hold .* Received: ") as error:
        prepare_impressions(log.assign(**{column: durations}), label=label, dim=2, **words)
    (remedy,) = re.findall(r"Convert it to seconds: `(.*)`\.", str(error.value))
    frame = pd.DataFrame({column: durations})
    assert remedy == f"pandas.to_timedelta(frame[{column!r}]).dt.total_seconds()"
    assert pd.to_timedelta(frame[column]).dt.total_seconds().tolist() == log["click"].tolist()


def test_dates_are_no_numbers():
    log = pd.Series([datetime.date(2020, 1, 1)])
    for values, kind in ((log, "date"), (pd.to_datetime(log), "datetime64")):
        with pytest.raises(ValueError, match=rf"'w' must hold numbers\. Received: {kind}[^ ]*$"):
            to_numbers("w", values)
