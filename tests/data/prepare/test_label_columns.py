"""Columns of labels, and logs and rows with several labels."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from keras_din.cli.show import day_report, report
from keras_din.data import PreparedData, prepare_impressions, prepare_rows, rows_dataset
from keras_din.data.prepare.label_columns import columns_of_spec, label_columns
from keras_din.data.prepare.leaks import leaking_features

CLICK, BUY = kd.Label("click"), kd.Label("buy", output="cvr")


@pytest.mark.parametrize(
    "label, expected",
    [
        ("is_click", {CLICK: "is_click"}),
        (BUY, {BUY: "buy"}),
        (["click", "like"], {CLICK: "click", kd.Label("like"): "like"}),
        ({"click": "is_click", BUY: "is_buy"}, {CLICK: "is_click", BUY: "is_buy"}),
    ],
)
def test_label_columns(label, expected):
    assert label_columns(label) == expected


def test_columns_of_spec():
    item = kd.Categorical("item", 5)
    one = kd.FeatureSpec(target=[item])
    two = kd.FeatureSpec(target=[item], labels=[CLICK, BUY])
    assert columns_of_spec("is_click", one) == {"click": "is_click"}
    assert columns_of_spec(["buy", "click"], two) == {"click": "click", "buy": "buy"}
    assert columns_of_spec({"buy": "b", "click": "c"}, two) == {"click": "c", "buy": "b"}
    assert columns_of_spec([BUY, "click"], two) == {"click": "click", "buy": "buy"}
    assert columns_of_spec({BUY: "b", CLICK: "c"}, two) == {"click": "c", "buy": "b"}
    assert columns_of_spec(CLICK, one) == {"click": "click"}
    wrong = ("click", ["click"], CLICK, {"click": "c", "buy": "b", "like": "d"})
    wrong += (["click", kd.Label("buy")], {"click": "c", BUY: "b", "buy": "d"})
    message = (
        r"a column for each label of the spec, \[Label\('click', output='ctr'\), Label\('buy', "
        r"output='cvr'\)\], for example label=\{'click': 'COLUMN', 'buy': 'COLUMN'\}\. Received: l"
    )
    for label in wrong:
        with pytest.raises(ValueError, match=message):
            columns_of_spec(label, two)
    with pytest.raises(ValueError, match=r"must be the name of a column, a list .*label=3\."):
        columns_of_spec(3, one)


def test_labels_with_the_same_column_raise():
    label = {"click": "c", "buy": "c"}
    message = r"a different column for each label, .* Received: 'c' twice in label=\{'click': 'c'"
    with pytest.raises(ValueError, match=message):
        label_columns(label)
    spec = kd.FeatureSpec(target=[kd.Categorical("item", 5)], labels=[CLICK, BUY])
    with pytest.raises(ValueError, match=message):
        columns_of_spec(label, spec)


@pytest.mark.parametrize(
    "label, message",
    [
        (3, r"`labels` of this table must be a list of `Label` objects"),
        ({"click": 3}, r"`label` must map labels to .*columns\. Received: label=\{'click': 3\}"),
        (["a", kd.Label("a", output="b")], r"The names of the labels must be unique"),
    ],
)
def test_invalid_labels_raise(label, message):
    with pytest.raises(ValueError, match=message):
        label_columns(label)


def a_log():
    """Four impressions of each of three users. For the last user, `is_buy` is missing."""
    click = [1, 0, 1, 0, 1, 1, 0, 0, 1, 0, 1, 1]
    buy = [1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, np.nan]
    user, time = np.divmod(np.arange(12), 4)
    columns = {"user": user, "time": time, "item": np.arange(12) % 5 + 1}
    return pd.DataFrame(columns | {"is_click": click, "is_buy": buy})


def prepared(log=None, **changes):
    words = {"user": "user", "time": "time", "target": ["item"], "max_bad": 0.1}
    words |= {"label": {"click": "is_click", BUY: "is_buy"}, "split": kd.data.LeaveOneOut(valid=0)}
    return prepare_impressions(a_log() if log is None else log, **(words | changes))


def test_log_with_two_labels(tmp_path):
    data = prepared()
    assert data.spec.labels == (CLICK, BUY)
    # A row without one of its labels is kept.
    assert len(data.bad_rows) == 0
    assert data.report["labels_missing"] == {"is_buy": 1}
    assert "missing labels of 'is_buy': 1, which weigh nothing (to count them" in report(data)
    rows = np.concatenate([samples.line for samples in data.parts.values()])
    for name, column in (("click", "is_click"), ("buy", "is_buy")):
        values = np.concatenate([samples.labels[name] for samples in data.parts.values()])
        np.testing.assert_array_equal(values, a_log()[column].to_numpy()[rows])
    # Behaviors are the rows of the first label.
    assert len(data.behaviors["hist"]) == a_log()["is_click"].sum()
    assert "train: 9 rows, click 6, buy 3" in report(data)
    assert "test: 3 rows, click 1, buy 0 (1 missing)" in report(data)
    assert data.report["parts"]["test"]["labels_missing"] == {"buy": 1}
    data.save(tmp_path / "data")
    loaded = PreparedData.load(tmp_path / "data")
    assert loaded.spec == data.spec
    ((_, y, weight),) = loaded.dataset("test")
    assert y["cvr"].numpy().tolist() == [[0], [0], [0]]
    assert weight["cvr"].numpy().tolist() == [[1], [1], [0]]
    assert weight["ctr"].numpy().tolist() == [[1], [1], [1]]


def test_row_without_any_label_is_bad():
    log = a_log()
    log.loc[11, "is_click"] = np.nan
    data = prepared(log)
    reason = "all labels are missing: 'is_click', 'is_buy'"
    assert data.bad_rows[["line", "reason"]].to_numpy().tolist() == [[11, reason]]
    assert data.report["labels_missing"] == {}
    # With a single label, its missing values are bad rows.
    data = prepared(label="is_buy")
    assert data.bad_rows["reason"].tolist() == ["'is_buy' is missing"]


GIVEN = kd.Label("buy", output="cvr", given="click")


def test_label_without_the_label_that_it_is_given_is_bad(tmp_path):
    log = a_log()
    log.loc[6, "is_buy"] = 1  # Without a click.
    log.loc[0, "is_click"] = np.nan  # A purchase whose click is not known is no contradiction.
    label = {"click": "is_click", GIVEN: "is_buy"}
    data = prepared(log, label=label)
    reason = "'is_buy' is 1 where 'is_click' is 0"
    assert data.bad_rows[["line", "reason"]].to_numpy().tolist() == [[6, reason]]
    assert data.report["rows_aside"][reason]["rows"] == 1
    assert f"kept aside 1: {reason}, first in line 6" in report(data)
    assert len(data.parts["train"]) + len(data.parts["test"]) == 11
    remedy = "Set 'is_click' to 1 in these rows, or leave out `given` of the label"
    with pytest.raises(ValueError, match=f"{reason}.*{remedy}"):
        prepared(log, label=label, max_bad=0.01)
    rows = log.assign(hist_item=[[1]] * 12)[["item", "hist_item", "is_click", "is_buy"]]
    assert len(prepare_rows(rows, label=label, target=["item"], max_bad=0.1).bad_rows) == 1
    assert prepared(log).report["rows_aside"] == {}  # Without `given` the row is good.
    samples = prepared(log).parts["train"]
    data = dataclasses.replace(prepared(a_log(), label=label), parts={"train": samples})
    message = "Label 'buy' must be 0 where 'click' is 0.*Received: buy=1 and click=0 in row"
    with pytest.raises(ValueError, match=message):
        data.dataset("train")


def test_row_whose_first_label_is_missing_is_no_behavior():
    log = a_log()
    log.loc[0, "is_click"] = np.nan
    data = prepared(log)
    assert data.report["labels_missing"] == {"is_click": 1, "is_buy": 1}
    assert len(data.behaviors["hist"]) == a_log()["is_click"].sum() - 1
    seen = kd.Count("seen", of="item", event="is_click", kind="count")
    counted = prepared(log, target=["item", seen])
    (past,) = counted.past.values()
    assert past.totals["is_click"][-1] == a_log()["is_click"].sum() - 1


WATCH = kd.Label("watch", loss="weighted_logistic")
SCORE = kd.Label("score", loss="mse")


def a_number_log():
    """Times watched, as text with bad values, and scores, which may be negative."""
    watch = ["3", "0", "1.5", "x", "-2", "inf", "", "7", "1e60", "0", "2", "8"]
    return a_log().assign(watched=watch, score=np.arange(12) - 6.0)


def test_labels_that_are_numbers():
    label = {"click": "is_click", WATCH: "watched", SCORE: "score"}
    data = prepared(a_number_log(), label=label, max_bad=0.5)
    assert data.spec.labels == (CLICK, WATCH, SCORE)
    reason = "'watched' is not a finite number from 0"
    assert data.bad_rows[["line", "reason"]].to_numpy().tolist() == [
        [line, reason] for line in (3, 4, 5, 8)
    ]
    counts = data.report["rows_aside"][reason]
    assert counts == {"rows": 4, "first_line": 3, "first_value": "'x'"}
    assert data.report["labels_missing"] == {"watched": 1}
    samples = data.parts["train"]
    expected = {0: 3, 1: 0, 2: 1.5, 6: np.nan, 7: 7, 9: 0, 10: 2, 11: 8}
    np.testing.assert_equal(samples.labels["watch"].tolist(), [expected[i] for i in samples.line])
    assert samples.labels["score"].tolist() == (samples.line - 6).tolist()
    means = data.report["parts"]["train"]["means"]
    assert means == {
        "watch": pytest.approx(np.nanmean(samples.labels["watch"])),
        "score": pytest.approx(np.mean(samples.labels["score"])),
    }
    assert f"mean watch {means['watch']:g} (" in report(data)
    # The default behaviors are those of the first label of 0 and 1.
    data = prepared(a_number_log(), label={WATCH: "watched", **label}, max_bad=0.5)
    assert data.log_format.sequences == {"hist": "is_click"}


def test_one_label_that_is_a_number():
    sequences = {"hist": "is_click"}
    data = prepared(a_number_log(), label={WATCH: "watched"}, sequences=sequences, max_bad=0.5)
    assert data.bad_rows["line"].tolist() == [3, 4, 5, 6, 8]
    assert data.spec.outputs == ("watch",)
    ((_, y),) = data.dataset("test")
    assert y.numpy().ravel().tolist() == data.parts["test"].label.tolist()
    assert "train: 4 rows, mean watch" in report(data)
    with pytest.raises(ValueError, match=r"`sequences` must be given if all labels are numbers"):
        prepared(a_number_log(), label={WATCH: "watched"})
    with pytest.raises(ValueError, match=r"Received: 'hist': 'watched', a label that is a number"):
        prepared(a_number_log(), label={WATCH: "watched"}, sequences={"hist": "watched"})
    seen = kd.Count("seen", of="item", event="watched", kind="count")
    with pytest.raises(ValueError, match=r"Received: event='watched', a label that is a number"):
        prepared(
            a_number_log(),
            label={WATCH: "watched"},
            sequences=sequences,
            target=["item", seen],
        )
    with pytest.raises(ValueError, match=r"rows with different numbers in column 'watched'.* 2\."):
        prepared(a_log().assign(watched=2), label={WATCH: "watched"}, sequences=sequences)


def test_label_map_of_numbers():
    label = {"click": "is_click", WATCH: "watched"}
    log = a_number_log().assign(is_click=a_log()["is_click"].map({0: "no", 1: "yes"}))
    with pytest.raises(ValueError, match=r"'is_click' is neither 0 nor 1"):
        prepared(log, label=label, label_map={"watch": {None: 0, "x": 0}})
    # A map for all labels applies to labels of 0 and 1 only.
    data = prepared(log, label=label, label_map={"no": 0, "yes": 1, None: 0}, max_bad=0.5)
    assert data.report["labels_missing"] == {"watched": 1}
    by_label = {"click": {"no": 0, "yes": 1}, "watch": {None: 0, "x": 0}}
    data = prepared(log, label=label, label_map=by_label, max_bad=0.5)
    assert data.report["labels_missing"] == {}
    assert data.report["labels_filled"] == {"watched": {"rows": 1, "label": 0}}
    assert data.bad_rows["line"].tolist() == [4, 5, 8]


def test_training_without_a_label_raises():
    log = a_log()
    log["is_buy"] = np.where(log["time"] < 3, np.nan, [0, 0, 0, 1] * 3)
    message = r"rows with the label 'buy'. Received: 9 rows, in which column 'is_buy' is missing"
    with pytest.raises(ValueError, match=message):
        prepared(log)


def test_appended_day_with_missing_and_number_labels(tmp_path):
    label = {"click": "is_click", WATCH: "watched"}
    log = a_number_log()
    prepared(log, label=label, max_bad=0.5).save(tmp_path / "data")
    data = PreparedData.load(tmp_path / "data")
    day = log.assign(time=log["time"] + 100)
    day.loc[0, "is_click"] = np.nan
    message = r"a log without \['watched'\]\. .* `log\.assign\(watched=None\)`"
    with pytest.raises(ValueError, match=message):
        data.append(day.drop(columns="watched"))
    unknown = data.append(day.drop(columns="watched").assign(watched=None)).days[0]
    assert np.isnan(unknown.samples.labels["watch"]).all()
    data = data.append(day)
    (appended,) = data.days
    assert appended.report["labels_missing"] == {"is_click": 1, "watched": 1}
    assert appended.bad_rows["line"].tolist() == [3, 4, 5, 8]
    values = dict(zip(appended.samples.line, appended.samples.labels["watch"], strict=True))
    assert (values[0], values[2]) == (3, 1.5)
    assert np.isnan(values[6])
    assert np.isnan(appended.samples.labels["click"][appended.samples.line == 0]).all()
    assert "missing labels of 'watched': 1" in day_report(appended)


def test_feature_that_contains_a_number_label_is_found():
    rows = 2000
    rng = np.random.default_rng(0)
    watch = rng.poisson(20, rows).astype(float)
    watch[::5] = np.nan
    samples = kd.data.Samples(
        {"item": rng.integers(2, 9, rows), "seconds": np.nan_to_num(watch) + 1},
        {},
        {"click": rng.integers(0, 2, rows), "watch": watch},
        np.zeros(rows, int),
    )
    item, seconds = kd.Categorical("item", 9), kd.Numeric("seconds")
    spec = kd.FeatureSpec(target=[item], context=[seconds], labels=["click", WATCH])
    assert leaking_features(samples, spec) == ["seconds"]


def test_missing_label_is_filled_for_one_label():
    log = a_log()
    log.loc[8, "is_click"] = np.nan
    both = prepared(log, label_map={None: 0})
    assert both.report["labels_filled"] == {
        "is_click": {"rows": 1, "label": 0},
        "is_buy": {"rows": 1, "label": 0},
    }
    for label_map in ({"buy": {None: 0}}, {"is_buy": {None: 0}}):
        data = prepared(log, label_map=label_map)
        assert data.report["labels_missing"] == {"is_click": 1}
        assert data.report["labels_filled"] == {"is_buy": {"rows": 1, "label": 0}}
        assert "missing values of 'is_buy' that count as 0: 1" in report(data)
    # The row with the filled label is in the histories, the row without a click is not.
    assert len(data.behaviors["hist"]) == log["is_click"].sum()
    assert data.parts["test"].labels["buy"].tolist() == [0, 0, 0]
    assert prepared().report["labels_filled"] == {}


def test_label_map_per_label():
    log = a_log().fillna(2)
    log["is_click"] = log["is_click"].map({0: "no", 1: "yes"})
    label_map = {"click": {"no": 0, "yes": 1}, BUY.name: {2: 0}, "liked": {5: 1}}
    log["liked"] = a_log()["is_click"] * 5
    sequences = {"clicked": "is_click", "liked": "liked"}
    data = prepared(log, label_map=label_map, sequences=sequences)
    assert data.report["rows_kept"] == 12
    assert len(data.behaviors["clicked"]) == len(data.behaviors["liked"]) == 7


@pytest.mark.parametrize(
    "label_map, message",
    [
        ({"bought": {None: 0}}, r"the labels are \['is_click', 'click', 'buy'\]\. Received: 'bou"),
        ({"buy": {None: 0}, -1: 0}, r"each label to such a dict; .* Received: -1: 0\."),
        ({"buy": {None: 0}, "is_buy": {2: 0}}, r"each label once\. .* the column 'is_buy' twice"),
        ({"buy": {None: 3}}, r"to 0 or 1\. Received: None: 3"),
    ],
)
def test_invalid_label_maps_raise(label_map, message):
    with pytest.raises(ValueError, match=message):
        prepared(label_map=label_map)


def test_remedy_names_the_label():
    log = a_log().assign(liked=[1, None, 0, None] * 3)
    message = r"mean 0, pass `label_map=\{'liked': \{None: 0\}\}` \(.* `--label-map-of liked:=0`\)"
    with pytest.raises(ValueError, match=message):
        prepared(log, sequences={"hist": "is_click", "likes": "liked"})
    message = r"'is_buy': \{-1: 0\}\}` \(on the command line `--label-map-of is_buy:-1=0`\)"
    with pytest.raises(ValueError, match=message):
        prepared(a_log().assign(is_buy=[1, -1] * 6))
    log = log.assign(is_buy=log["liked"])
    assert prepared(log, label_map={"is_buy": {None: 0}}).report["rows_kept"] == 12


def test_single_label_is_named_click():
    data = prepared(label="is_buy")
    assert data.spec.outputs == ("ctr",)
    assert list(data.parts["train"].labels) == ["click"]


def test_label_as_feature_raises():
    with pytest.raises(ValueError, match=r"`context` must hold what is known before .* 'is_buy'"):
        prepared(context=["is_buy"])


def test_constant_label_raises():
    log = a_log().assign(is_buy=0)
    with pytest.raises(ValueError, match=r"all with label 0 in column 'is_buy'"):
        prepared(log)


def test_downsampling_with_several_labels_raises():
    with pytest.raises(
        ValueError, match=r"requires a spec with one label.*Received: labels \['cli"
    ):
        prepared().downsample_negatives(0.5)


def test_leaking_feature_of_the_second_label_is_found():
    rows = 2000
    rng = np.random.default_rng(0)
    buy = rng.integers(0, 2, rows)
    samples = kd.data.Samples(
        {"item": rng.integers(2, 9, rows), "paid": buy + 2},
        {},
        {"click": rng.integers(0, 2, rows), "buy": buy},
        np.zeros(rows, int),
    )
    item, paid = kd.Categorical("item", 9), kd.Categorical("paid", 4)
    spec = kd.FeatureSpec(target=[item], context=[paid], labels=["click"])
    assert leaking_features(samples, spec) == []
    spec = kd.FeatureSpec(target=[item], context=[paid], labels=["click", "buy"])
    assert leaking_features(samples, spec) == ["paid"]


def test_rows_with_two_labels():
    frame = pd.DataFrame(
        {
            "item": ["a", "b", "a"],
            "hist_item": [["b"], [], ["a", "b"]],
            "click": [1, 0, 1],
            "is_buy": [0, 0, 1],
        }
    )
    label = {"click": "click", BUY: "is_buy"}
    data = prepare_rows(frame, label=label, target=["item"])
    assert data.spec.labels == (CLICK, BUY)
    ((_, y),) = data.dataset("train")
    expected = {"ctr": [[1], [0], [1]], "cvr": [[0], [0], [1]]}
    assert {name: values.numpy().tolist() for name, values in y.items()} == expected
    of_names = {"click": "click", "buy": "is_buy"}
    for shuffle in (False, True):
        ((_, y),) = rows_dataset(frame, data.spec, of_names, shuffle=shuffle)
        assert y["cvr"].numpy().sum() == 1
    ((_, y),) = rows_dataset(frame, data.spec, {CLICK: "click", BUY: "is_buy"})
    assert y["cvr"].numpy().sum() == 1
    ((_, y),) = rows_dataset(frame.rename(columns={"is_buy": "buy"}), data.spec, [CLICK, BUY])
    assert y["cvr"].numpy().sum() == 1
    frame["is_buy"] = [None, 0, 1]
    data = prepare_rows(frame, label=label, target=["item"], label_map={"buy": {None: 0}})
    assert data.report["labels_filled"] == {"is_buy": {"rows": 1, "label": 0}}
    assert len(data.parts["train"]) == 3
    ((_, y),) = rows_dataset(frame, data.spec, of_names, label_map={"buy": {None: 1}})
    assert y["cvr"].numpy().tolist() == [[1], [0], [1]]
    data = prepare_rows(frame, label=label, target=["item"])
    assert data.report["labels_missing"] == {"is_buy": 1}
    for rows in (data.dataset("train"), rows_dataset(frame, data.spec, of_names)):
        ((_, y, weight),) = rows
        assert y["cvr"].numpy().tolist() == [[0], [0], [1]]
        assert weight["cvr"].numpy().tolist() == [[0], [1], [1]]
    with pytest.raises(
        ValueError, match=r"'is_buy' must be 0 or 1 in .*'is_buy': \{3: 1\}\}` \(on"
    ):
        rows_dataset(frame.assign(is_buy=[0, 3, 0]), data.spec, of_names)
    with pytest.raises(
        ValueError, match=r"at least one of the labels \['click', 'buy'\]\. .*row 0"
    ):
        rows_dataset(frame.assign(click=[None, 1, 0]), data.spec, of_names)
    watched = frame.assign(is_buy=[None, 2.5, 30])
    data = prepare_rows(watched, label={"click": "click", WATCH: "is_buy"}, target=["item"])
    assert data.report["parts"]["train"]["means"] == {"watch": 16.25}
    of_watch = {"click": "click", "watch": "is_buy"}
    ((_, y, _),) = rows_dataset(watched, data.spec, of_watch, shuffle=True)
    assert y["watch"].numpy().sum() == 32.5
    message = r"Label 'is_buy' must be a finite number from 0 in every row\. Received: -1 in row 1"
    with pytest.raises(ValueError, match=message):
        rows_dataset(watched.assign(is_buy=[0, -1, 2]), data.spec, of_watch)
    data = prepare_rows(frame, label=label, target=["item"], label_map={"buy": {None: 0}})
    ((_, y),) = rows_dataset(frame, data.spec)  # Without labels, for prediction.
    assert {name: values.numpy().sum() for name, values in y.items()} == {"ctr": 0, "cvr": 0}
