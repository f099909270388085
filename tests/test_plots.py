"""Plots: the drawn numbers and texts, and the errors."""

import builtins
import csv
import importlib

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")
from matplotlib import pyplot

import keras_din as kd
from keras_din import metrics, plots
from keras_din.features import Categorical, FeatureSpec, Sequence
from tests.models.shared import SPEC, randomized
from tests.specs import random_batch


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


def ticks(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def bars(ax):
    """Returns the ends of the error bars, `(bars, 2)` for each curve."""
    segments = [collection.get_segments() for collection in ax.collections]
    return [np.array([s[:, 1] for s in each if len(s)]) for each in segments]


def points(ax):
    """Returns `(points, 2)` for each line with markers."""
    lines = [line for line in ax.lines if line.get_marker() not in ("None", "")]
    return [line.get_xydata() for line in lines]


def test_attention_weights_are_those_of_the_layer():
    model = randomized(kd.build_din(SPEC))
    x = random_batch(SPEC, batch=1, candidates=3, time=6)
    weights = plots.attention_weights(model, x)
    real = x["hist_item_id"][0] != 0
    assert weights.shape == (3, real.sum())
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    # The expected weights: the layer, called with embeddings that are looked up here.
    table = {f: model.get_layer(f"embedding_{f}").embeddings.numpy() for f in SPEC.features
             if f not in ("age", "segment")}  # fmt: skip
    query = np.concatenate([table[f][x[f]] for f in ("item_id", "cate_id")], -1)
    keys = [table[f][x[f"hist_{f}"]] for f in ("item_id", "cate_id", "action")]
    layer = model.get_layer("interest_hist")
    expected = layer.attention_weights(query, np.concatenate(keys, -1), real[None])
    np.testing.assert_allclose(weights, np.asarray(expected)[0][:, real], rtol=1e-5)


def test_attention_weights_need_a_sequence_and_one_row():
    item, shop = Categorical("item", 9, dim=2), Categorical("shop", 9, dim=2)
    spec = FeatureSpec(
        target=[item, shop], sequences=[Sequence("a", of=[item]), Sequence("b", of=[shop])]
    )
    model = kd.build_din(spec, weight_normalization=False)
    x = random_batch(spec, batch=1, candidates=2, time=4, real=1)
    assert plots.attention_weights(model, x, "b").shape == (2, 4)
    empty = x | {"a_item": np.zeros((1, 0), "int32")}
    assert plots.attention_weights(model, empty, "a").shape == (2, 0)
    with pytest.raises(
        ValueError, match=r"`sequence` must be .* 'a', 'b'. Received: sequence=None"
    ):
        plots.attention_weights(model, x)
    with pytest.raises(ValueError, match=r"'a', 'b'. Received: sequence='c'"):
        plots.attention_weights(model, x, "c")
    with pytest.raises(ValueError, match=r"`sample` must have the model's inputs \['a_item'"):
        plots.attention_weights(model, {"item": x["item"]}, "a")
    with pytest.raises(ValueError, match=r"`sample` must be one row, .* 'shop' of shape \(2,\)"):
        plots.attention_weights(model, x | {"shop": np.array([1, 2])}, "a")
    with pytest.raises(ValueError, match=r"one of none\. Received"):
        plots.attention_weights(kd.build_base(spec), x)
    with pytest.raises(ValueError, match="`model` must be a functional"):
        plots.attention_weights(3, x)


def test_attention_map_draws_weights_and_labels():
    weights = np.array([[0.1, 0.2, 0.7], [0.5, 0.5, 0.0]])
    ax = plots.attention_map(weights, ["tea", "pot", "cup"], ["mug", "spoon"])
    (image,) = ax.images
    np.testing.assert_array_equal(image.get_array(), weights.T)
    assert (image.norm.vmin, image.norm.vmax) == (0, 0.7)
    assert ticks(ax.yaxis) == ["tea", "pot", "cup"]
    assert ticks(ax.xaxis) == ["mug", "spoon"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("candidate", "behavior")
    assert ax.figure.axes[1].get_ylabel() == "attention weight"
    written = {text.get_position(): text.get_text() for text in ax.texts}
    assert written[0, 2] == "0.70"
    assert written[1, 0] == "0.50"


def test_attention_map_with_negative_weights_has_white_at_zero():
    ax = plots.attention_map([[-3.0, 1.0]])
    (image,) = ax.images
    assert (image.norm.vmin, image.norm.vmax) == (-3, 3)
    assert min(image.cmap(0.5)[:3]) > 0.95
    assert ticks(ax.yaxis) == ["1 before", "the last"]
    assert ticks(ax.xaxis) == ["1"]


def test_attention_map_of_a_long_history_has_few_labels():
    ax = plots.attention_map(np.full((2, 100), 0.01))
    assert len(ticks(ax.yaxis)) <= 30
    assert ticks(ax.yaxis)[-1] == "the last"
    assert ax.get_yticks()[-1] == 99
    assert not ax.texts


@pytest.mark.parametrize(
    "arguments, message",
    [
        (([1.0, 2.0],), r"`weights` must be \(candidates, behaviors\).* shape \(2,\)"),
        ((np.zeros((2, 0)),), r"at least one of each. Received: an array of shape \(2, 0\)"),
        (([[np.nan]],), "`weights` must be finite"),
        (([[1.0]], ["a", "b"]), "`behaviors` must have one label for each of 1. Received: 2"),
        (([[1.0]], ["a"], []), "`candidates` must have one label for each of 1. Received: 0"),
    ],
)
def test_attention_map_invalid_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        plots.attention_map(*arguments)


HISTORY = [
    {"step": 0, "epoch": None, "gauc": 0.5, "logloss": 0.7},
    {"step": 10, "epoch": 1, "gauc": 0.6, "logloss": 0.5, "loss": 0.6},
    {"step": 15, "epoch": 1, "gauc": 0.65, "logloss": 0.6, "loss": 0.4},
    {"step": 30, "epoch": 2, "gauc": 0.55, "logloss": 0.6, "loss": 0.2},
]


def test_learning_curve_marks_best_evaluation_and_epochs():
    ax = plots.learning_curve(HISTORY)
    best, curve = points(ax)
    np.testing.assert_array_equal(curve, [[0, 0.5], [10, 0.6], [15, 0.65], [30, 0.55]])
    np.testing.assert_array_equal(best, [[15, 0.65]])
    assert legend(ax) == ["best 0.6500"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "GAUC of validation")
    (above,) = ax.child_axes
    assert above.get_xticks().tolist() == [15, 30]
    assert ticks(above.xaxis) == ["1", "2"]


def test_learning_curve_of_the_training_loss_has_no_best():
    ax = plots.learning_curve(HISTORY, "loss")
    (curve,) = points(ax)
    np.testing.assert_array_equal(curve, [[10, 0.6], [15, 0.4], [30, 0.2]])
    assert ax.get_legend() is None
    assert ax.get_ylabel() == "training loss (nats)"


def test_learning_curve_draws_several_runs_into_given_axes():
    _, given = pyplot.subplots()
    frame = pd.DataFrame(HISTORY)
    ax = plots.learning_curve({"din": frame, "base": HISTORY[:2]}, "logloss", ax=given)
    assert ax is given
    assert legend(ax) == ["din, best 0.5000", "base, best 0.5000"]
    assert [len(line) for line in points(ax)] == [1, 4, 1, 2]
    colors = {line.get_color() for line in ax.lines if line.get_marker() in ("o", "s")}
    assert len(colors) == 2


def test_learning_curve_accepts_epochs_counted_from_zero():
    older = [row | {"epoch": row["epoch"] and row["epoch"] - 1} for row in HISTORY]
    for history in (HISTORY, older):
        (above,) = plots.learning_curve(history).child_axes
        assert ticks(above.xaxis) == ["1", "2"]


def test_learning_curve_of_metrics_csv(tmp_path):
    with open(tmp_path / "metrics.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(HISTORY[-1]))
        writer.writeheader()
        writer.writerows(HISTORY)
    ax = plots.learning_curve(pd.read_csv(tmp_path / "metrics.csv"), "loss")
    np.testing.assert_array_equal(points(ax)[0], [[10, 0.6], [15, 0.4], [30, 0.2]])


def test_learning_curve_invalid_arguments():
    with pytest.raises(ValueError, match=r"`metric` must be one of 'loss', .*metric='accuracy'"):
        plots.learning_curve(HISTORY, "accuracy")
    with pytest.raises(ValueError, match="`history` must have 'step', 'epoch' and 'auc'"):
        plots.learning_curve(HISTORY, "auc")
    with pytest.raises(ValueError, match=r"`history` must have .* Received: 0 evaluations"):
        plots.learning_curve([])
    with pytest.raises(ValueError, match="`history` must have at least one entry"):
        plots.learning_curve({})


def test_calibration_draws_rates_and_wilson_intervals():
    labels = [0, 0, 1, 0, 1, 1]
    predictions = [0.1, 0.2, 0.3, 0.6, 0.7, 0.8]
    ax = plots.calibration(labels, predictions, bins=2)
    (curve,) = points(ax)
    np.testing.assert_allclose(curve, [[0.2, 1 / 3], [0.7, 2 / 3]])
    low, high = metrics.wilson_interval([1, 2], [3, 3])
    np.testing.assert_allclose(bars(ax)[0], np.stack([low, high], axis=1), atol=1e-12)
    # |0.2 - 1/3| and |0.7 - 2/3|, half the rows each.
    assert legend(ax) == [f"ECE {(0.4 / 3 + 0.1 / 3) / 2:.4f}"]
    assert ax.get_xlabel() == "mean prediction (2 bins of 3 rows)"
    assert ax.get_ylabel() == "click rate"
    assert ax.get_xlim() == ax.get_ylim()


def test_calibration_of_equal_predictions_does_not_depend_on_their_order():
    for labels in ([1, 0, 0, 0, 1], [0, 0, 0, 1, 1]):
        ax = plots.calibration(labels, [0.3, 0.3, 0.3, 0.3, 0.9], bins=2)
        np.testing.assert_allclose(points(ax)[0], [[0.3, 0.25], [0.5, 0.5]])
        assert "2 bins of 2-3 rows" in ax.get_xlabel()


def test_calibration_of_several_models():
    ax = plots.calibration([0, 1, 1], {"din": [0.1, 0.8, 0.9], "base": [0.5, 0.5, 0.5]})
    assert [text.split(",")[0] for text in legend(ax)] == ["din", "base"]
    assert [len(line) for line in points(ax)] == [3, 3]
    # Bins of one row each.
    low, high = metrics.wilson_interval([0, 1, 1], [1, 1, 1])
    np.testing.assert_allclose(bars(ax)[0], np.stack([low, high], axis=1), atol=1e-12)


def test_calibration_before_and_after_side_by_side():
    labels, before = [0, 0, 1, 1], np.array([0.1, 0.2, 0.3, 0.4])
    axes = plots.calibration(
        labels, {"before": before, "after": 2 * before}, bins=2, side_by_side=True
    )
    assert [legend(ax)[0].split(",")[0] for ax in axes] == ["before", "after"]
    np.testing.assert_allclose(points(axes[0])[0], [[0.15, 0], [0.35, 1]])
    np.testing.assert_allclose(points(axes[1])[0], [[0.3, 0], [0.7, 1]])
    assert axes[0].get_xlim() == axes[1].get_xlim()
    with pytest.raises(ValueError, match="`ax` must be None with `side_by_side`"):
        plots.calibration(labels, before, ax=axes[0], side_by_side=True)


def test_calibration_invalid_arguments():
    with pytest.raises(ValueError, match="`bins` must be a positive integer"):
        plots.calibration([0], [0.5], bins=0)
    with pytest.raises(ValueError, match="`y_pred` must be probabilities"):
        plots.calibration([0], [1.5])
    with pytest.raises(ValueError, match="must have the same length"):
        plots.calibration([0, 1], [0.5])
    with pytest.raises(ValueError, match="`y_true` must have at least one row"):
        plots.calibration([], [])


def importances():
    table = pd.DataFrame({"feature": ["item", "hist", "age"], "importance": [0.4, 0.1, -0.05]})
    table["standard_error"] = [0.02, 0.01, np.nan]
    return table.assign(standard_error_of_users=[0.01, 0.03, np.nan])


def test_feature_importance_draws_the_larger_error():
    ax = plots.feature_importance(importances())
    assert ticks(ax.yaxis) == ["item", "hist", "age"]
    assert [bar.get_width() for bar in ax.patches] == [0.4, 0.1, -0.05]
    assert ax.yaxis_inverted()  # The first one is at the top.
    (segments,) = [collection.get_segments() for collection in ax.collections]
    np.testing.assert_allclose(segments[0], [[0.38, 0], [0.42, 0]])
    np.testing.assert_allclose(segments[1], [[0.07, 1], [0.13, 1]])
    assert len(segments) == 2  # There is no error bar for NaN.
    assert ax.get_xlabel() == "importance"
    for metric, label in (
        ("gauc", "drop of GAUC when the feature is permuted,\nfrom 0.6100"),
        ("rmse", "rise of root mean squared error when the feature is permuted,\nfrom 0.6100"),
    ):
        table = importances()
        table.attrs = {"metric": metric, "output": "ctr", "baseline": 0.61}
        assert plots.feature_importance(table.head(2), ax=ax).get_xlabel() == label


def test_feature_importance_invalid_tables():
    for table in (importances().head(0), importances().drop(columns="feature")):
        with pytest.raises(ValueError, match=r"`table` must have the columns .* at least one row"):
            plots.feature_importance(table)


# Two users with 1 behavior, one user with 2 to 3, and one user (dot) with only one class.
LABELS = np.array([1, 0, 1, 0, 0, 1, 0, 1])
PREDICTIONS = np.array([0.9, 0.1, 0.2, 0.7, 0.1, 0.9, 0.1, 0.5])
GROUPS = np.array(["ann", "ann", "bob", "bob", "bob", "cid", "cid", "dot"])
LENGTHS = np.array([1, 1, 1, 1, 1, 2, 3, 9])


def test_gauc_by_history_length_draws_gauc_and_standard_errors():
    ax = plots.gauc_by_history_length(LABELS, PREDICTIONS, GROUPS, LENGTHS)
    # ann 1 of 2 impressions, bob 1/2 of 3: (2 + 1.5) / 5, and w_g (AUC_g - 0.7) is 0.6 and -0.6.
    (curve,) = points(ax)
    np.testing.assert_allclose(curve, [[0, 0.7], [1, 1.0], [2, np.nan]])
    error = np.sqrt(2 * (0.6**2 + 0.6**2)) / 5
    np.testing.assert_allclose(bars(ax)[0][0], [0.7 - error, 0.7 + error])
    assert len(bars(ax)[0]) == 1  # No error bar for a single user.
    assert ticks(ax.xaxis) == ["1\n5", "2-7\n2", "8+\n0"]
    assert ax.get_ylabel() == "GAUC"
    assert legend(ax) == [f"all lengths {(2 + 1.5 + 2) / 7:.4f}"]


def test_gauc_by_history_length_with_edges_and_several_models():
    models = {"din": PREDICTIONS, "base": 1 - PREDICTIONS}
    ax = plots.gauc_by_history_length(LABELS, models, GROUPS, LENGTHS, edges=[1, 2])
    din, base = points(ax)
    np.testing.assert_allclose(din[:, 1], [0.7, 1.0])
    np.testing.assert_allclose(base[:, 1], [0.3, 0.0])
    assert (din[:, 0] < base[:, 0]).all()
    assert ticks(ax.xaxis) == ["1\n5", "2+\n2"]
    # Users with less than two behaviors are left out.
    ax = plots.gauc_by_history_length(LABELS, PREDICTIONS, GROUPS, LENGTHS, edges=[2])
    assert ticks(ax.xaxis) == ["2+\n2"]


def test_gauc_by_history_length_invalid_arguments():
    arrays = LABELS, PREDICTIONS, GROUPS
    with pytest.raises(ValueError, match=r"`lengths` must have a non-negative integer .* \(3,\)"):
        plots.gauc_by_history_length(*arrays, LENGTHS[:3])
    with pytest.raises(ValueError, match=r"`lengths` must have a non-negative integer .* float64"):
        plots.gauc_by_history_length(*arrays, LENGTHS / 2)
    with pytest.raises(ValueError, match=r"`edges` must ascend. Received: edges=\[2, 2\]"):
        plots.gauc_by_history_length(*arrays, LENGTHS, edges=[2, 2])
    with pytest.raises(ValueError, match="`edges` must be non-negative integers"):
        plots.gauc_by_history_length(*arrays, LENGTHS, edges=[-1, 2])
    with pytest.raises(ValueError, match="`groups` must have one entry for each label"):
        plots.gauc_by_history_length(LABELS, PREDICTIONS, GROUPS[:2], LENGTHS)


def test_gauc_by_draws_parts_of_a_number():
    prices = np.array([1.5, 2, 3, 4, np.nan, 40, 50, 60.25])
    ax = plots.gauc_by(LABELS, PREDICTIONS, GROUPS, prices, edges=[2, 40], label="price")
    # From 2: the negative of ann, and bob with 1 and 0 in the wrong order. From 40: cid is right.
    (curve,) = points(ax)
    np.testing.assert_allclose(curve, [[0, 0], [1, 1]])
    assert ticks(ax.xaxis) == ["2 to 40\n2", "40+\n2"]
    assert ax.get_xlabel() == (
        "price, and impressions that count\n1 rows without a value are left out"
    )
    assert legend(ax) == [f"all rows {(2 + 1.5 + 2) / 7:.4f}"]
    ax = plots.gauc_by(LABELS, PREDICTIONS, GROUPS, np.arange(8), metric="auc")
    assert ticks(ax.xaxis)[0] == "0 to 1.4\n2"  # Five parts of 1 to 2 rows.
    assert ticks(ax.xaxis)[-1] == "5.6+\n2"


@pytest.mark.parametrize("metric", ["auc", "logloss"])
def test_gauc_by_item_age_with_other_metrics(metric):
    ages = np.array([0.5, 0.1, 0.2, 3, 4, 0.3, 0.4, 8])
    ax = plots.gauc_by_item_age(LABELS, PREDICTIONS, GROUPS, ages, [0, 1], metric=metric)
    of_rows = {"auc": metrics.auc_and_error, "logloss": metrics.logloss_and_error}[metric]
    young = ages < 1
    value, error = of_rows(LABELS[young], PREDICTIONS[young], GROUPS[young])
    np.testing.assert_allclose(points(ax)[0][0], [0, value])
    np.testing.assert_allclose(bars(ax)[0][0], [value - error, value + error])
    assert ticks(ax.xaxis) == ["0 to 1\n5", "1+\n3"]
    assert ax.get_xlabel() == "days since the first event of the item, and rows"
    assert ax.get_ylabel() == {"auc": "AUC", "logloss": "logloss (nats)"}[metric]


def test_gauc_by_day():
    time = np.array(["2026-11-01T23:59"] * 5 + ["2026-11-03T00:00"] * 3, "datetime64[s]")
    for times in (time, time.astype("datetime64[us]").astype("int64")):
        ax = plots.gauc_by_day(LABELS, PREDICTIONS, GROUPS, times)
        np.testing.assert_allclose(points(ax)[0], [[0, 0.7], [1, 1]])
        assert ticks(ax.xaxis) == ["2026-11-01\n5", "2026-11-03\n2"]
        assert legend(ax) == [f"all days {(2 + 1.5 + 2) / 7:.4f}"]
    for wrong in (time[:3], np.full(8, "NaT", "datetime64[s]"), np.zeros(8)):
        with pytest.raises(ValueError, match="`time` must have a time for each label"):
            plots.gauc_by_day(LABELS, PREDICTIONS, GROUPS, wrong)


def test_gauc_by_invalid_arguments():
    arrays = LABELS, PREDICTIONS, GROUPS
    for wrong in (np.full(8, np.nan), [1, 2], ["a"] * 8, [np.inf] * 8):
        with pytest.raises(ValueError, match="`values` must have a finite number or NaN"):
            plots.gauc_by(*arrays, wrong)
    with pytest.raises(ValueError, match="`ages` must have a finite number or NaN"):
        plots.gauc_by_item_age(*arrays, [1.0])
    for edges in ([], [[1.0]], ["a"], [np.nan]):
        with pytest.raises(ValueError, match="`edges` must be finite numbers"):
            plots.gauc_by(*arrays, LENGTHS, edges)
    with pytest.raises(ValueError, match="`edges` must ascend"):
        plots.gauc_by(*arrays, LENGTHS, [2.0, 1.0])
    with pytest.raises(ValueError, match="`metric` must be"):
        plots.gauc_by(*arrays, LENGTHS, metric="ne")


def test_error_without_matplotlib(monkeypatch):
    real = builtins.__import__

    def refuse(name, *arguments):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", refuse)
    importlib.reload(plots)  # The import works without matplotlib.
    with pytest.raises(ImportError, match=r"needs matplotlib: python -m pip install .*\[plots\]"):
        plots.attention_map([[1.0]])


def test_plots_of_numbers():
    history = [
        {"step": step, "epoch": step, "loss": 1.0, "watch_mae": mae, "watch_rmse": 2 * mae}
        for step, mae in ((1, 5.0), (2, 3.0), (3, 4.0))
    ]
    axes = plots.learning_curve(history, "watch_mae")
    assert "mean absolute error" in axes.get_ylabel()
    day = {"day": 1, "watch_rmse": 9.0, "watch_mae": 6.0, "watch_calibration": 1.1}
    errors, calibration, *_ = plots.days([day, day | {"day": 2, "watch_mae": 5.0}], "watch_")
    assert [line.get_ydata()[-1] for line in errors.lines] == [9, 5]
    assert calibration.lines[0].get_ydata().tolist() == [1.1, 1.1]
