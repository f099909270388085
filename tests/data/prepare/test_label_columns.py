"""Columns of labels, and logs and rows with several labels."""

import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from keras_din.cli.show import report
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
    # Rows with a missing label are bad.
    assert data.bad_rows["reason"].tolist() == ["'is_buy' is missing"]
    rows = np.concatenate([samples.line for samples in data.parts.values()])
    for name, column in (("click", "is_click"), ("buy", "is_buy")):
        values = np.concatenate([samples.labels[name] for samples in data.parts.values()])
        np.testing.assert_array_equal(values, a_log()[column].to_numpy()[rows])
    # Behaviors are the rows of the first label.
    assert len(data.behaviors["hist"]) == a_log()["is_click"][:11].sum()
    assert "train: 8 rows, click 5, buy 3" in report(data)
    data.save(tmp_path / "data")
    loaded = PreparedData.load(tmp_path / "data")
    assert loaded.spec == data.spec
    ((_, y),) = loaded.dataset("test")
    assert y["cvr"].numpy().tolist() == [[0], [0], [0]]


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
        assert data.bad_rows["reason"].tolist() == ["'is_click' is missing"]
        assert data.report["labels_filled"] == {"is_buy": {"rows": 1, "label": 0}}
        assert "missing values of 'is_buy' that count as 0: 1" in report(data)
    # The row with the filled label is in the histories, the row that is kept aside is not.
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
    log = a_log().assign(is_buy=[1, None, 0, None] * 3)
    message = (
        r"mean 0, pass `label_map=\{'is_buy': \{None: 0\}\}` \(.* `--label-map-of is_buy:=0`\)"
    )
    with pytest.raises(ValueError, match=message):
        prepared(log)
    message = r"'is_buy': \{-1: 0\}\}` \(on the command line `--label-map-of is_buy:-1=0`\)"
    with pytest.raises(ValueError, match=message):
        prepared(a_log().assign(is_buy=[1, -1] * 6))
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
    with pytest.raises(ValueError, match=r"`label_map=\{'is_buy': \{None: 0\}\}` \(on the command"):
        rows_dataset(frame, data.spec, of_names)
    ((_, y),) = rows_dataset(frame, data.spec)  # Without labels, for prediction.
    assert {name: values.numpy().sum() for name, values in y.items()} == {"ctr": 0, "cvr": 0}
