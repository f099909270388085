"""Target leakage: labels as features raise, and features that predict a label warn."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from keras_din.cli import main
from keras_din.data import prepare_impressions, prepare_rows, rows_to_samples
from keras_din.features import Bag, Categorical, FeatureSpec, Numeric

WORDS = {"user": "user", "time": "time", "label": "click"}


def a_log(rows: int = 12, **columns) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "user": np.arange(rows) % (rows // 4),
            "item": rng.choice(list("abcdef"), rows),
            "time": np.arange(rows),
            "click": np.arange(rows) // (rows // 4) % 2,
            "like": rng.integers(0, 2, rows),
        }
    )
    return frame.assign(**columns)


@pytest.mark.parametrize(
    "words, message",
    [
        ({"target": ["item", "click"]}, r"`target` must hold what is known before the impression"),
        ({"target": "item", "context": "click"}, r"`context` must.*'click', which is the label"),
        ({"target": ["item", Numeric("click")]}, "'click', which is the label"),
        (
            {"target": ["item", "like"], "sequences": {"liked": "like"}},
            "'like', which is what the user did with it",
        ),
        (
            {"target": "item", "side_features": "click"},
            r"`side_features` must hold what differs.*'click', which is 1 in all.*\['hist'\]",
        ),
    ],
)
def test_a_label_among_the_features(words, message):
    with pytest.raises(ValueError, match=message):
        prepare_impressions(a_log(), **WORDS, **words)


def test_labels_of_earlier_impressions_as_side_features():
    words = {"target": "item", "side_features": "click", "sequences": {"seen": "like"}}
    data = prepare_impressions(a_log(), **WORDS, **words)
    assert [feature.name for feature in data.spec.sequences[0].side_features] == ["click"]
    # Not a label of this data set. Twelve rows are too few to detect a leak.
    prepare_impressions(a_log(), **WORDS, target="item", context="like")


def test_label_among_the_features_of_rows():
    frame = a_log(hist_item=[["a"]] * 12)
    with pytest.raises(ValueError, match=r"`context` must.*'click', which is the label"):
        prepare_rows(frame, label="click", target="item", context="click")
    item = Categorical("item", vocabulary=list("abcdef"), dim=2)
    spec = FeatureSpec(target=[item], context=[Numeric("click")])
    with pytest.raises(ValueError, match=r"`context` must.*'click', which is the label"):
        rows_to_samples(frame, spec, "click")
    rows_to_samples(frame, spec)


def clicks(rows: int = 4000) -> np.ndarray:
    return a_log(rows)["click"].to_numpy()


LEAKS = {
    "a copy": lambda y, rng: y,
    "words": lambda y, rng: np.where(y == 1, "yes", "no"),
    "dwell": lambda y, rng: np.where(y == 1, rng.uniform(1, 9, len(y)), 0.0),
    "dwell, else nothing": lambda y, rng: np.where(y == 1, rng.uniform(1, 9, len(y)), np.nan),
    "a score": lambda y, rng: np.where(y == 1, -1, 1) * rng.uniform(1, 9, len(y)),
    "one exception": lambda y, rng: np.where(np.arange(len(y)) == 5, 1 - y, y),
}
NO_LEAKS = {
    "noise": lambda y, rng: rng.uniform(size=len(y)),
    "a constant": lambda y, rng: np.full(len(y), "x"),
    "a good feature": lambda y, rng: np.where(rng.uniform(size=len(y)) < 0.99, y, 1 - y),
    "ids of rows": lambda y, rng: np.arange(len(y)),
}


@pytest.mark.parametrize("word", ["target", "context"])
@pytest.mark.parametrize("make", LEAKS.values(), ids=LEAKS)
def test_leaking_features(make, word):
    frame = a_log(4000, leak=make(clicks(), np.random.default_rng(1)))
    words = {"target": ["item"], "context": []}
    words[word] = [*words[word], "leak"]
    with pytest.warns(UserWarning, match=r"Features \['leak'\] predict the label of nearly every"):
        data = prepare_impressions(frame, **WORDS, **words)
    assert data.report["features_that_tell_the_label"] == ["leak"]


@pytest.mark.parametrize("make", NO_LEAKS.values(), ids=NO_LEAKS)
def test_other_features(make):
    frame = a_log(4000, fine=make(clicks(), np.random.default_rng(1)))
    data = prepare_impressions(frame, **WORDS, target="item", context="fine")
    assert data.report["features_that_tell_the_label"] == []


def test_few_rows_and_bags_are_not_checked():
    frame = a_log(900, leak=clicks(900), bag=[["x"] if y else ["z"] for y in clicks(900)])
    data = prepare_impressions(frame, **WORDS, target="item", context=["leak", "bag"])
    assert isinstance(data.spec.context[1], Bag)
    assert data.report["features_that_tell_the_label"] == []


def test_leaking_feature_in_rows():
    frame = a_log(4000, leak=clicks(), hist_item=[["a"]] * 4000)
    with pytest.warns(UserWarning, match=r"Features \['leak'\] predict the label"):
        prepare_rows(frame, label="click", target="item", context="leak")


def test_leaks_on_the_command_line(tmp_path, capsys):
    frame = a_log(4000, leak=clicks())
    frame.to_csv(tmp_path / "log.csv", index=False)
    words = ["prepare", str(tmp_path / "log.csv"), str(tmp_path / "data"), "--user", "user"]
    words += ["--time", "time", "--label", "click", "--target"]
    assert main([*words, "item,click"]) == 1
    assert "'click', which is the label" in capsys.readouterr().err
    with pytest.warns(UserWarning, match="predict the label"):
        assert main([*words, "item", "--context", "leak"]) == 0
    assert (
        "warning: feature 'leak' alone predicts the label of nearly every"
        in capsys.readouterr().out
    )


def test_rows_of_other_tables(tmp_path):
    frame = a_log(12, hist_item=[["a", "b"]] * 12)
    expected = prepare_rows(frame, label="click", target="item").spec
    frame.to_parquet(tmp_path / "rows")
    text = frame.assign(hist_item="a|b").to_csv(index=False, sep=";")
    (tmp_path / "rows.csv").write_text(text, encoding="utf-8")
    for table in (pa.Table.from_pandas(frame), tmp_path / "rows", {"train": tmp_path / "rows"}):
        assert prepare_rows(table, label="click", target="item").spec == expected
    words = {"label": "click", "target": "item", "separator": "|"}
    assert prepare_rows(tmp_path / "rows.csv", **words, sep=";").spec == expected
    with pytest.raises(ValueError, match=r"A table must be a DataFrame.*builtins\.int"):
        prepare_rows(3, label="click", target="item")
