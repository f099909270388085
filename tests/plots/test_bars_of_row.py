"""`attention`: one bar per behavior of a row, with titles, and what is left out."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")
from matplotlib import pyplot

import keras_din as kd

BEHAVIORS = [2, 3, 4, 2, 3]
ITEMS = ["tea", "pot", "cup"]


def prepared(item, lengths=(5, 0, 1)):
    """Rows of one user each, with the first of `BEHAVIORS` as history."""
    spec = kd.FeatureSpec(
        target=[item, kd.Numeric("price")],
        sequences=[kd.Sequence("hist", of=[item], max_length=4)],
    )
    indices = np.array([i for length in lengths for i in BEHAVIORS[:length]], np.int32)
    ends = np.cumsum(lengths)
    log = kd.data.BehaviorLog([0, *ends], {"item": indices})
    samples = kd.data.Samples(
        {"item": np.full(len(lengths), 3, np.int32), "price": np.zeros(len(lengths), np.float32)},
        {"hist": (ends - lengths, ends)},
        np.zeros(len(lengths)),
        np.arange(len(lengths)),
    )
    return kd.data.PreparedData(spec, {"hist": log}, {"test": samples})


@pytest.fixture(scope="module")
def data():
    return prepared(kd.Categorical("item", vocabulary=ITEMS, dim=2))


@pytest.fixture(scope="module")
def model(data):
    return kd.build_din(data.spec, attention_units=(2,), hidden_units=())


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


def labels(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def weights_of(model, indices):
    x = {"item": np.array([[3]]), "price": np.zeros((1, 1)), "hist_item": np.array([indices])}
    return kd.plots.attention_weights(model, x)[0]


def test_bars_are_the_weights_in_time_order(model, data):
    ax = kd.plots.attention(model, data, titles={"pot": "Чайник для чая", "cup": " "})
    # The latest four of five behaviors, which are those that the model reads.
    assert labels(ax) == ["Чайник для чая", "cup", "tea", "Чайник для чая"]
    widths = [bar.get_width() for bar in ax.patches]
    np.testing.assert_allclose(widths, weights_of(model, BEHAVIORS[1:]), rtol=1e-5)
    assert ax.yaxis_inverted()  # The first behavior is at the top.
    assert ax.get_title(loc="left") == "candidate: Чайник для чая"
    assert ax.get_xlabel() == "attention weight of hist"
    assert [text.get_text() for text in ax.texts] == [f"{width:.2f}" for width in widths]
    titles = pd.Series({"tea": "$5 & $6", "pot": None})
    _, given = pyplot.subplots()
    assert kd.plots.attention(model, data, -3, titles=titles, ax=given) is given
    assert labels(given) == ["pot", "cup", "$5 & $6", "pot"]
    given.figure.savefig("attention.png")  # No formula, and no glyph is missing.


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_behaviors_that_are_left_out_are_counted(model, data):
    weights = weights_of(model, BEHAVIORS[1:])
    ax = kd.plots.attention(model, data, most=3)
    assert labels(ax) == ["cup", "tea", "pot"]
    assert ax.get_xlabel().splitlines()[1:] == [
        "the latest 3 of 4 behaviors;",
        f"the sum of the other 1 is {weights[0]:.2f}",
    ]
    ax = kd.plots.attention(model, data, most=2, show="largest")
    largest = np.sort(np.argsort(-weights, kind="stable")[:2])
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], weights[largest], rtol=1e-5)
    assert "the 2 largest of 4 weights;" in ax.get_xlabel()


def test_histories_of_no_and_one_behavior(model, data):
    ax = kd.plots.attention(model, data, row=1)
    assert [text.get_text() for text in ax.texts] == ["hist: no behaviors"]
    assert not ax.patches
    ax = kd.plots.attention(model, data, row=2)
    assert labels(ax) == ["tea"]
    assert ax.patches[0].get_width() == pytest.approx(1)


def test_unknown_values_and_buckets():
    data = prepared(kd.Categorical("item", hash_buckets=5, dtype="string", dim=2))
    model = kd.build_din(data.spec, attention_units=(2,), hidden_units=())
    ax = kd.plots.attention(model, data)
    assert labels(ax) == ["bucket 3", "bucket 4", "bucket 2", "bucket 3"]
    with pytest.raises(ValueError, match="a bucket of 'item' has many values"):
        kd.plots.attention(model, data, titles={"tea": "a"})
    data = prepared(kd.Categorical("item", vocabulary=[70, 80, None], capacity=3, dim=2))
    model = kd.build_din(data.spec, attention_units=(2,), hidden_units=())
    ax = kd.plots.attention(model, data, titles={70: "seventy"})
    assert labels(ax) == ["80", "unknown", "seventy", "80"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"row": 3}, r"`row` must be .* part 'test', which has 3. Received: row=3"),
        ({"row": 1.0}, r"`row` must be .* Received: row=1.0"),
        ({"part": "valid"}, "`part` must be"),
        ({"sequence": "other"}, r"`sequence` must be .* one of 'hist'"),
        ({"feature": "price"}, "`feature` must be"),
        ({"titles": {1: "one"}}, r"keys of `titles` must be raw values of 'item', such as 'pot'"),
        ({"titles": ["a", "b"]}, "`titles` must be a mapping or a Series"),
        ({"titles": pd.Series(["a", "b"], ["tea", "tea"])}, "one title .* several of 'tea'"),
        ({"show": "first"}, "`show` must be"),
        ({"most": 0}, "`most` must be a positive integer"),
    ],
)
def test_invalid_arguments(model, data, arguments, message):
    with pytest.raises(ValueError, match=message):
        kd.plots.attention(model, data, **arguments)


def test_data_of_another_spec_and_no_data(model):
    other = prepared(kd.Categorical("item", vocabulary=ITEMS[::-1], dim=2))
    with pytest.raises(ValueError, match=r"`data` must have the features .* in another order"):
        kd.plots.attention(model, other)
    with pytest.raises(ValueError, match=r"`data` must be the PreparedData .*attention_map"):
        kd.plots.attention(model, [[0.1, 0.9]])
    with pytest.raises(ValueError, match="`model` must be a functional"):
        kd.plots.attention([[0.1, 0.9]], other)
