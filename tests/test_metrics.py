"""Metrics: values by hand, agreement with scikit-learn, random rows with many ties."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss, roc_auc_score

from keras_din import metrics

# Group 7: 1 positive, 2 negatives; it is above one of them: AUC 1/2.
# Group 3: 3 positives, 2 negatives; .8 is above both, each .3 above one and tied with one: AUC 5/6.
# Groups 5 and 9 have one class.
GROUPS = np.array([3, 7, 3, 7, 5, 3, 9, 7, 3, 5, 3])
LABELS = np.array([1, 1, 1, 0, 0, 0, 1, 0, 1, 0, 0])
SCORES = np.array([0.8, 0.9, 0.3, 0.1, 0.2, 0.3, 0.4, 0.95, 0.3, 0.7, 0.1])


@pytest.mark.parametrize(
    "weight, expected",
    [
        ("impressions", (3 * 1 / 2 + 5 * 5 / 6) / 8),
        ("none", (1 / 2 + 5 / 6) / 2),
        ("positives", (1 * 1 / 2 + 3 * 5 / 6) / 4),
    ],
)
def test_gauc_by_hand(weight, expected):
    assert metrics.gauc(LABELS, SCORES, GROUPS, weight) == pytest.approx(expected, rel=1e-15)


def test_gauc_weights_by_impressions_by_default():
    expected = metrics.gauc(LABELS, SCORES, GROUPS, weight="impressions")
    assert metrics.gauc(LABELS, SCORES, GROUPS) == expected


def test_group_auc_by_hand():
    result = metrics.group_auc(LABELS, SCORES, GROUPS)
    np.testing.assert_array_equal(result.groups, [3, 7])
    np.testing.assert_allclose(result.auc, [5 / 6, 1 / 2], rtol=1e-15)
    np.testing.assert_array_equal(result.impressions, [5, 3])
    np.testing.assert_array_equal(result.positives, [3, 1])
    assert (result.groups_left_out, result.rows_left_out) == (2, 3)


def test_groups_may_be_strings():
    names = np.array(["", "", "", "user c", "", "e", "", "a", "", "i"])[GROUPS]
    for strings in (names, names.astype(object)):
        result = metrics.group_auc(LABELS, SCORES, strings)
        assert list(result.groups) == ["a", "user c"]
        np.testing.assert_allclose(result.auc, [1 / 2, 5 / 6], rtol=1e-15)


def test_pairs_give_pairwise_accuracy():
    # Two of three positives win, one ties.
    predictions = [[0.9, 0.1], [0.2, 0.1], [0.4, 0.4]]
    labels, groups = [[1, 0]] * 3, [[0, 0], [1, 1], [2, 2]]
    flat = (np.ravel(a) for a in (labels, predictions, groups))
    assert metrics.gauc(*flat) == pytest.approx(2.5 / 3, rel=1e-15)


rows = st.integers(1, 60).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 1), min_size=n, max_size=n),
        st.lists(st.integers(0, 8), min_size=n, max_size=n),
        st.lists(st.integers(-3, 3), min_size=n, max_size=n),
    )
)


@settings(deadline=None)
@given(rows, st.sampled_from(["float32", "float64", "float16", "int64"]))
def test_gauc_agrees_with_scikit_learn(rows, dtype):
    labels, scores, groups = map(np.array, rows)
    scores = (scores if dtype == "int64" else scores / 8).astype(dtype)
    aucs, impressions, positives, left_out = [], [], [], 0
    for group in np.unique(groups):
        of = groups == group
        if 0 < labels[of].sum() < of.sum():
            aucs.append(roc_auc_score(labels[of], scores[of]))
            impressions.append(of.sum())
            positives.append(labels[of].sum())
        else:
            left_out += 1
    result = metrics.group_auc(labels, scores, groups)
    np.testing.assert_allclose(result.auc, aucs, rtol=1e-12)
    assert result.groups_left_out == left_out
    assert result.rows_left_out == len(labels) - sum(impressions)
    weights = {"impressions": impressions, "positives": positives, "none": None}
    for weight, values in weights.items():
        found = metrics.gauc(labels, scores, groups, weight)
        if aucs:
            assert found == pytest.approx(np.average(aucs, weights=values), rel=1e-12)
        else:
            assert math.isnan(found)


@settings(deadline=None)
@given(rows)
def test_auc_and_logloss_agree_with_scikit_learn(rows):
    labels, scores, _ = map(np.array, rows)
    found = metrics.auc(labels, scores / 8)
    if 0 < labels.sum() < len(labels):
        assert found == pytest.approx(roc_auc_score(labels, scores / 8), rel=1e-12)
    else:
        assert math.isnan(found)
    inside = (scores + 1) / 10
    expected = log_loss(labels, inside, labels=[0, 1])
    assert metrics.logloss(labels, inside) == pytest.approx(expected, rel=1e-12)


@settings(deadline=None)
@given(rows, st.randoms(use_true_random=False))
def test_metrics_do_not_depend_on_the_order_of_rows(rows, random):
    labels, scores, groups = map(np.array, rows)
    order = np.array(random.sample(range(len(labels)), len(labels)))
    plain = metrics.all_metrics(labels, scores / 8, groups)
    mixed = metrics.all_metrics(labels[order], scores[order] / 8, groups[order])
    assert list(plain) == list(mixed)
    for name in plain:
        np.testing.assert_allclose(plain[name], mixed[name], rtol=1e-12, atol=1e-15, err_msg=name)


def test_auc_agrees_with_scikit_learn_on_many_rows():
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 100_000), rng.normal(size=100_000).astype("float32")
    assert metrics.auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), rel=1e-12)


def test_logloss_by_hand():
    expected = -(math.log(0.9) + math.log(1 - 0.2) + math.log(0.5)) / 3
    assert metrics.logloss([1, 0, 1], [0.9, 0.2, 0.5]) == pytest.approx(expected, rel=1e-14)


def test_logloss_clips_predictions_of_0_and_1():
    for dtype in ("float32", "float64"):
        wrong = metrics.logloss([1, 0], np.array([0, 1], dtype))
        assert wrong == pytest.approx(-math.log(1e-7), rel=1e-8)
        right = metrics.logloss([0, 1], np.array([0, 1], dtype))
        assert right == pytest.approx(-math.log(1 - 1e-7), rel=1e-8)


def test_float32_predictions_are_summed_in_float64():
    predictions = np.full(1_000_001, 0.1, "float32")
    labels = np.arange(len(predictions)) % 10 == 0
    p = float(np.float32(0.1))
    positives = 100_001
    assert metrics.calibration(labels, predictions) == pytest.approx(
        p * 1_000_001 / positives, rel=1e-12
    )
    expected = -(positives * math.log(p) + 900_000 * math.log(1 - p)) / 1_000_001
    assert metrics.logloss(labels, predictions) == pytest.approx(expected, rel=1e-12)
    assert metrics.expected_calibration_error(labels, predictions) == pytest.approx(
        abs(p - positives / 1_000_001), rel=1e-6
    )


def test_normalized_entropy_by_hand():
    # The base rate is 1/4: its entropy is log 4 - 3/4 log 3.
    loss = -(math.log(0.5) + 3 * math.log(0.9)) / 4
    expected = loss / (math.log(4) - 0.75 * math.log(3))
    found = metrics.normalized_entropy([0, 1, 0, 0], [0.1, 0.5, 0.1, 0.1])
    assert found == pytest.approx(expected, rel=1e-14)
    assert metrics.normalized_entropy([0, 1, 0, 0], [0.25] * 4) == pytest.approx(1, rel=1e-14)


def test_calibration_by_hand():
    assert metrics.calibration([1, 0, 1], [0.5, 0.3, 0.2]) == pytest.approx(0.5, rel=1e-14)


def test_expected_calibration_error_by_hand():
    # Bins {.1, .2} and {.6, .9}: |.15 - .5| and |.75 - 1|, each half of the rows.
    found = metrics.expected_calibration_error([1, 0, 1, 1], [0.9, 0.1, 0.2, 0.6], bins=2)
    assert found == pytest.approx(0.3, rel=1e-14)
    # Bins of 1 and 2 rows: |.1 - 0| / 3 and |.7 - .5| 2 / 3.
    found = metrics.expected_calibration_error([0, 1, 0], [0.1, 0.6, 0.8], bins=2)
    assert found == pytest.approx((0.1 + 0.4) / 3, rel=1e-14)


def test_expected_calibration_error_uses_the_mean_label_of_ties():
    # The two rows of .4, with mean label 1/2, are in different bins: |.25 - .25| and |.65 - .75|.
    for labels in ([0, 1, 0, 1], [0, 0, 1, 1]):
        found = metrics.expected_calibration_error(labels, [0.1, 0.4, 0.4, 0.9], bins=2)
        assert found == pytest.approx(0.05, rel=1e-14)
    for labels in ([1, 1, 0, 0], [0, 1, 0, 1]):
        assert metrics.expected_calibration_error(labels, [0.5] * 4) == 0


def test_expected_calibration_error_with_few_rows_has_one_bin_per_row():
    found = metrics.expected_calibration_error([1, 0, 1], [0.9, 0.2, 0.6])
    assert found == pytest.approx((0.1 + 0.2 + 0.4) / 3, rel=1e-14)


def test_rela_impr_by_hand():
    assert metrics.rela_impr(0.61, 0.6) == pytest.approx(0.1, rel=1e-12)
    assert metrics.rela_impr(0.6, 0.6) == 0
    assert math.isnan(metrics.rela_impr(0.6, 0.5))


def test_recalibrate_by_hand():
    # Odds of 1 and 4. The odds of the log are a tenth and a twentieth of them.
    p = np.array([[0.5, 0.8], [0.0, 1.0]])
    tenth = [[1 / 11, 4 / 14], [0, 1]]
    np.testing.assert_allclose(metrics.recalibrate(p, 10), tenth, rtol=1e-12)
    np.testing.assert_allclose(metrics.recalibrate(p, negative_rate=0.1), tenth, rtol=1e-12)
    both = metrics.recalibrate(p, 2, negative_rate=0.1)
    np.testing.assert_allclose(both, [[1 / 21, 4 / 24], [0, 1]], rtol=1e-12)
    np.testing.assert_array_equal(metrics.recalibrate(p), p)
    assert metrics.recalibrate(p.astype("float32"), 10).dtype == "float32"


@pytest.mark.parametrize(
    "arguments, text",
    [
        ({"positive_weight": 0}, "`positive_weight` must be a positive number. Received: .*=0"),
        ({"negative_rate": 0}, r"`negative_rate` must be in \(0, 1\]. Received: negative_rate=0"),
        ({"negative_rate": 1.5}, r"Received: negative_rate=1.5"),
        ({"negative_rate": "x"}, r"Received: negative_rate='x'"),
    ],
)
def test_recalibrate_checks_its_arguments(arguments, text):
    with pytest.raises(ValueError, match=text):
        metrics.recalibrate(0.5, **arguments)


def test_all_metrics_agree_with_the_single_functions():
    functions = {
        "auc": metrics.auc,
        "logloss": metrics.logloss,
        "ne": metrics.normalized_entropy,
        "calibration": metrics.calibration,
        "ece": metrics.expected_calibration_error,
    }
    expected = {name: function(LABELS, SCORES) for name, function in functions.items()}
    plain = metrics.all_metrics(LABELS, SCORES)
    assert plain == pytest.approx({**expected, "rows": 11}, rel=1e-12)
    grouped = metrics.all_metrics(LABELS, SCORES, GROUPS)
    gauc = metrics.gauc(LABELS, SCORES, GROUPS)
    counts = {"rows": 11, "groups": 2, "groups_left_out": 2}
    assert grouped == pytest.approx({"gauc": gauc, **expected, **counts}, rel=1e-12)
    assert next(iter(grouped)) == "gauc"
    for name, value in grouped.items():
        assert type(value) is (int if name in counts else float), name


def test_columns_and_vectors_give_the_same_metrics():
    columns = (a[:, None] for a in (LABELS, SCORES, GROUPS))
    assert metrics.all_metrics(*columns) == metrics.all_metrics(LABELS, SCORES, GROUPS)


def test_undefined_metrics_are_nan():
    for labels in ([0, 0], [1, 1]):
        assert math.isnan(metrics.auc(labels, [0.2, 0.3]))
        assert math.isnan(metrics.gauc(labels, [0.2, 0.3], [1, 1]))
        assert math.isnan(metrics.normalized_entropy(labels, [0.2, 0.3]))
    assert math.isnan(metrics.calibration([0, 0], [0.2, 0.3]))
    empty = metrics.all_metrics([], [], np.array([], int))
    assert all(math.isnan(v) for k, v in empty.items() if isinstance(v, float))
    assert (empty["rows"], empty["groups"], empty["groups_left_out"]) == (0, 0, 0)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (([0, 1, 1, 2], [0.1] * 4), r"`y_true` must be 0 or 1. Received: 2 in row 3."),
        (([0, 1, np.nan], [0.1] * 3), r"`y_true` must be 0 or 1. Received: nan in row 2."),
        (([0, 1], [0.1] * 3), r"`y_true` and `y_pred` must have .* length. Received: 2 and 3"),
        (([0, 1], [0.1, np.inf]), r"`y_pred` must be finite. Received: inf in row 1."),
        (([0, 1], [np.nan, 0.1]), r"`y_pred` must be finite. Received: nan in row 0."),
        (([0, 1], [[0.1, 0.2]] * 2), r"`y_pred` must have the shape .* Received: \(2, 2\)"),
        ((0, 0.5), r"`y_true` must have the shape \(rows,\) or \(rows, 1\). Received: \(\)"),
    ],
)
@pytest.mark.parametrize("name", ["auc", "logloss", "calibration", "all_metrics"])
def test_errors_of_labels_and_predictions(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        getattr(metrics, name)(*arguments)


@pytest.mark.parametrize(
    "name",
    ["logloss", "normalized_entropy", "calibration", "expected_calibration_error", "all_metrics"],
)
def test_predictions_outside_0_and_1_raise(name):
    with pytest.raises(ValueError, match=r"`y_pred` must be probabilities in \[0, 1\]. Rec.*"):
        getattr(metrics, name)([0, 1], [0.3, 1.5])


def test_auc_and_gauc_accept_any_finite_score():
    assert metrics.auc([0, 1], [-3, 7.5]) == 1
    assert metrics.gauc([0, 1], [-3, 7.5], [1, 1]) == 1


@pytest.mark.parametrize(
    "groups, message",
    [
        ([1, 2, 3], "`groups` must have one entry for each label. Received: 3 groups and 2 labels"),
        ([1.0, 2.0], "`groups` must be integers or strings. Received: groups of dtype float64"),
        (["a", None], "`groups` must be all integers or all strings, .* Received: None in row 1"),
        ([None, None], "`groups` must be all integers or all strings, .* None in row 0"),
        (np.array([7, "a"], object), "`groups` must be all integers or all .* 7 in row 0"),
        (np.array([1, pd.NA], object), "`groups` must be all .* Received: <NA> in row 1"),
        (pd.Series(["a", np.nan]), "`groups` must be all .* Received: nan in row 1"),
    ],
)
def test_errors_of_groups(groups, message):
    for function in (metrics.gauc, metrics.group_auc, metrics.all_metrics):
        with pytest.raises(ValueError, match=message):
            function([0, 1], [0.1, 0.2], groups)


def test_errors_of_options():
    with pytest.raises(ValueError, match="`weight` must be one of 'impressions', 'none', 'posi"):
        metrics.gauc([0, 1], [0.1, 0.2], [1, 1], weight="clicks")
    with pytest.raises(ValueError, match=r"`bins` must be a positive integer. Received: bins=0"):
        metrics.expected_calibration_error([0, 1], [0.1, 0.2], bins=0)


def test_gauc_difference_by_hand():
    # Group 0: AUC 1 against 0, 2 rows. Group 1: AUC 1/2 against 1/2, 4 rows.
    labels = [1, 0, 1, 0, 1, 0]
    ours = [0.9, 0.1, 0.5, 0.5, 0.5, 0.5]
    base = [0.1, 0.9, 0.2, 0.2, 0.2, 0.2]
    difference, error = metrics.gauc_difference(labels, ours, base, [0, 0, 1, 1, 1, 1])
    # d = (2 * 1 + 4 * 0) / 6 = 1/3; error = sqrt(2 / (2 - 1) ((2 * 2/3)^2 + (4 * 1/3)^2)) / 6.
    assert difference == pytest.approx(1 / 3)
    assert error == pytest.approx(math.sqrt(2 * ((4 / 3) ** 2 + (4 / 3) ** 2)) / 6)


def test_gauc_difference_agrees_with_gauc_and_its_error_with_resampling():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(600), rng.integers(2, 12, 600))
    labels = rng.integers(0, 2, len(groups))
    signal = labels + rng.normal(size=len(groups)) * 2
    ours, base = (signal + rng.normal(size=len(groups)) * noise for noise in (1, 2))
    difference, error = metrics.gauc_difference(labels, ours, base, groups)
    assert difference == pytest.approx(
        metrics.gauc(labels, ours, groups) - metrics.gauc(labels, base, groups)
    )
    a, b = (metrics.group_auc(labels, p, groups) for p in (ours, base))
    chosen = rng.integers(len(a.auc), size=(2000, len(a.auc)))
    weights = a.impressions[chosen]
    again = np.sum(weights * (a.auc - b.auc)[chosen], axis=1) / weights.sum(axis=1)
    assert error == pytest.approx(again.std(), rel=0.1)


def test_error_of_gauc_difference_is_nan_for_one_group():
    difference, error = metrics.gauc_difference([1, 0], [0.9, 0.1], [0.1, 0.9], [7, 7])
    assert difference == 1
    assert math.isnan(error)


@pytest.mark.parametrize("groups", [2, 5, 50])
def test_error_with_equal_weights_is_the_standard_error_of_a_mean(groups):
    values = np.random.default_rng(groups).normal(size=groups)
    mean, error = metrics.mean_and_error(values, np.full(groups, 3))
    assert mean == pytest.approx(values.mean())
    assert error == pytest.approx(pd.Series(values).sem())


def test_error_is_the_standard_deviation_of_the_mean_over_many_samples():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(4000):
        weights = rng.integers(1, 4, 5)
        found.append(metrics.mean_and_error(rng.normal(size=5), weights))
    means, errors = np.transpose(found)
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(means.std(), rel=0.1)


def test_gauc_difference_is_nan_if_no_group_has_both_classes():
    assert all(map(math.isnan, metrics.gauc_difference([1, 0], [0, 1], [1, 0], [0, 1])))


def test_calibration_bins_by_hand():
    # Sorted: .1 (0), .4 (1), .4 (0), .9 (1), .9 (1); bins of 2 and 3 rows. Both .4 count 1/2.
    found = metrics.calibration_bins([1, 0, 1, 0, 1], [0.9, 0.1, 0.4, 0.4, 0.9], bins=2)
    np.testing.assert_array_equal(found.rows, [2, 3])
    np.testing.assert_allclose(found.predicted_rate, [0.25, 2.2 / 3], rtol=1e-15)
    np.testing.assert_allclose(found.click_rate, [0.25, 2.5 / 3], rtol=1e-15)
    assert [len(values) for values in metrics.calibration_bins([], [])] == [0, 0, 0]


def test_wilson_interval_by_hand():
    # r = .1, n = 50, z = 1.96: (.1 + .0384 -+ 1.96 sqrt(.0018 + .000384)) / 1.0768.
    low, high = metrics.wilson_interval(5, 50)
    np.testing.assert_allclose([low, high], [0.04348, 0.21360], atol=1e-5)
    # Without clicks the interval starts at 0 and is not empty: z^2 / (n + z^2).
    low, high = metrics.wilson_interval([0, 4], [4, 4])
    np.testing.assert_allclose(low, [0, 4 / (4 + 1.959964**2)], rtol=1e-6)
    np.testing.assert_allclose(high, [1.959964**2 / (4 + 1.959964**2), 1], rtol=1e-6)
    assert np.isnan(metrics.wilson_interval(0, 0)).all()
    np.testing.assert_allclose(metrics.wilson_interval(3, 6, confidence=0), [0.5, 0.5])
    with pytest.raises(ValueError, match="`confidence` must be a number in"):
        metrics.wilson_interval(1, 2, confidence=1)


def test_wilson_interval_covers_the_rate():
    rng = np.random.default_rng(0)
    for rate in (0.02, 0.3):
        low, high = metrics.wilson_interval(rng.binomial(200, rate, 4000), np.full(4000, 200))
        assert np.mean((low <= rate) & (rate <= high)) == pytest.approx(0.95, abs=0.02)


def test_calibration_by_value_by_hand():
    values = np.array(["b", "a", "b", "a", "b"])
    found = metrics.calibration_by_value([1, 0, 0, 0, 1], [0.8, 0.2, 0.3, 0.4, 0.1], values, bins=1)
    assert found.values.tolist() == ["a", "b"]
    assert found.rows.tolist() == [2, 3]
    np.testing.assert_allclose(found.predicted_rate, [0.3, 0.4])
    np.testing.assert_allclose(found.click_rate, [0, 2 / 3])
    np.testing.assert_allclose(found.calibration, [np.nan, 0.6])
    np.testing.assert_allclose(found.ece, [0.3, 2 / 3 - 0.4])
    low, high = metrics.wilson_interval([0, 2], [2, 3])
    np.testing.assert_allclose(found.click_rate_low, low)
    np.testing.assert_allclose(found.calibration_low, [0.3, 0.4] / high)
    np.testing.assert_allclose(found.calibration_high, [np.inf, 0.4 / low[1]])


def test_calibration_by_value_agrees_with_the_metrics_of_each_value():
    rng = np.random.default_rng(1)
    p, values = rng.random(500), rng.integers(5, size=500)
    y = (rng.random(500) < p).astype(int)
    found = metrics.calibration_by_value(y, p, values)
    for i, value in enumerate(found.values):
        rows = values == value
        assert found.calibration[i] == pytest.approx(metrics.calibration(y[rows], p[rows]))
        ece = metrics.expected_calibration_error(y[rows], p[rows])
        assert found.ece[i] == pytest.approx(ece)
    assert [len(column) for column in metrics.calibration_by_value([], [], np.array([], int))] == [
        0
    ] * 10
    for wrong, match in [
        ([1], "`values` must have one entry for each label.* 1 values"),
        ([0.5, 1.5], "`values` must be integers or strings. Received: values of dtype float64"),
        (["home", None], "`values` must be all integers or all strings, .* None in row 1"),
    ]:
        with pytest.raises(ValueError, match=match):
            metrics.calibration_by_value([1, 0], [0.5, 0.5], wrong)


def test_calibration_by_decile_has_the_bins_of_the_error():
    rng = np.random.default_rng(2)
    p = rng.random(300)
    y = (rng.random(300) < p**2).astype(int)
    found, bins = metrics.calibration_by_decile(y, p), metrics.calibration_bins(y, p)
    assert found.values.tolist() == list(range(1, 11))
    np.testing.assert_array_equal(found.rows, bins.rows)
    error = np.average(found.ece, weights=found.rows)
    assert error == pytest.approx(metrics.expected_calibration_error(y, p))
    assert (
        (found.click_rate_low <= bins.click_rate) & (bins.click_rate <= found.click_rate_high)
    ).all()
    assert np.nanmin(found.calibration[:5]) > 1
    assert [len(column) for column in metrics.calibration_by_decile([], [])] == [0] * 10


def test_number_metrics_by_hand():
    found = metrics.number_metrics([[10.0], [0.0], [2.0]], [7.0, 1.0, 2.0])
    assert found == pytest.approx(
        {"rmse": math.sqrt(10 / 3), "mae": 4 / 3, "calibration": 10 / 12, "rows": 3}
    )
    assert math.isnan(metrics.number_calibration([0.0, 0.0], [1.0, 2.0]))
    empty = metrics.number_metrics([], [])
    assert empty.pop("rows") == 0
    assert np.isnan(list(empty.values())).all()
    with pytest.raises(ValueError, match=r"`y_true` must be finite\. Received: nan in row 1"):
        metrics.mean_absolute_error([1.0, np.nan], [1.0, 2.0])
    with pytest.raises(ValueError, match=r"`y_pred` must be finite\. Received: inf in row 0"):
        metrics.root_mean_squared_error([1.0, 2.0], [np.inf, 2.0])


def test_auc_and_error_by_hand():
    # Positives .9 and .2, negatives .1 and .7: V is 1, .5; 1, .5 and the AUC .75.
    y_true, y_pred = [1, 0, 1, 0], [0.9, 0.1, 0.2, 0.7]
    # Group 1 has the differences .25 / 2 twice, group 2 the negative ones.
    expected = math.sqrt(2 / 1 * (0.25**2 + 0.25**2))
    assert metrics.auc_and_error(y_true, y_pred, [1, 1, 2, 2]) == pytest.approx((0.75, expected))
    assert metrics.auc_and_error(y_true, y_pred, [1, 2, 2, 1])[1] == pytest.approx(0, abs=1e-12)
    # A tie counts one half: all V are .5.
    assert metrics.auc_and_error([1, 0], [0.5, 0.5], [1, 2]) == pytest.approx((0.5, 0))


def test_auc_and_error_is_that_of_delong_without_groups():
    rng = np.random.default_rng(0)
    y_true = rng.integers(2, size=300)
    y_pred = np.round(rng.normal(size=300) + y_true, 1)  # With ties.
    positive, negative = y_pred[y_true == 1], y_pred[y_true == 0]
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    m, n = wins.shape
    variance = wins.mean(axis=1).var() / m + wins.mean(axis=0).var() / n
    found = metrics.auc_and_error(y_true, y_pred, np.arange(300))
    np.testing.assert_allclose(found, (wins.mean(), math.sqrt(300 / 299 * variance)), rtol=1e-12)
    assert found[0] == pytest.approx(metrics.auc(y_true, y_pred), rel=1e-12)


def test_errors_over_groups_of_few_rows():
    assert np.isnan(metrics.auc_and_error([1, 1], [0.1, 0.2], [1, 2])).all()
    assert np.isnan(metrics.auc_and_error([], [], np.zeros(0, int))).all()
    area, error = metrics.auc_and_error([1, 0], [0.2, 0.1], ["a", "a"])
    assert area == 1
    assert np.isnan(error)
    assert np.isnan(metrics.logloss_and_error([], [], np.zeros(0, int))).all()


def test_logloss_and_error_by_hand():
    a, b, c = (-math.log(p) for p in (0.5, 0.1, 0.8))
    mean = (a + b + c) / 3
    # The group means (a + c) / 2 of two rows and b of one.
    error = math.sqrt(2 * ((a + c - 2 * mean) ** 2 + (b - mean) ** 2)) / 3
    found = metrics.logloss_and_error([1, 0, 1], [0.5, 0.9, 0.8], ["x", "y", "x"])
    assert found == pytest.approx((mean, error))
    assert found[0] == pytest.approx(metrics.logloss([1, 0, 1], [0.5, 0.9, 0.8]))
    with pytest.raises(ValueError, match="`groups` must have one entry for each label"):
        metrics.logloss_and_error([1, 0], [0.5, 0.9], [1])
