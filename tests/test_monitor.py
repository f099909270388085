"""Selection of the best evaluation of a training."""

import json

import numpy as np
import pytest

from keras_din.metrics import GroupAUC, gauc_difference, group_auc
from keras_din.monitor import GAUC_THEN_LOGLOSS, MONITORS, Best, split_monitor


def groups_of(auc, weights=None):
    auc = np.array(auc, "float64")
    weights = np.ones(len(auc), "int64") if weights is None else np.array(weights)
    return GroupAUC(np.arange(len(auc)), auc, weights, weights, 0, 0)


def evaluated(step, auc, logloss, weights=None):
    groups = groups_of(auc, weights)
    value = float(np.average(groups.auc, weights=groups.impressions))
    return {"step": step, "epoch": step, "gauc": value, "logloss": logloss}, groups


def best_steps(*evaluations):
    """Yields the best step after each evaluation."""
    best = Best("gauc_then_logloss")
    for each in evaluations:
        best.update(*each)
        yield best.evaluation.step


def users(mean=0.7, deviation=0.0):
    """The AUCs of 100 users: half of them `mean + deviation`, half `mean - deviation`."""
    return mean + deviation * np.tile([1, -1], 50)


def test_lower_logloss_wins_within_the_smallest_gain():
    """A difference of .0007 is noise, even if its standard error is 0."""
    first, second = evaluated(1, users(0.7), 0.170), evaluated(2, users(0.7007), 0.216)
    assert list(best_steps(first, second)) == [1, 1]
    assert list(best_steps(second, first)) == [2, 1]


def test_higher_gauc_wins_beyond_one_standard_error():
    first = evaluated(1, users(0.7), 0.170)
    # The differences are d + .1 and d - .1. Their mean has the error sqrt(100 / 99) .1 / 10.
    error = np.sqrt(100 / 99) * 0.01
    for more, best in [(0.99 * error, 1), (1.01 * error, 2)]:
        assert list(best_steps(first, evaluated(2, users(0.7 + more, 0.1), 0.216))) == [1, best]


def test_noise_is_the_error_of_gauc_difference():
    """It is not the standard error of a single GAUC."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(40), 6)
    labels = np.tile([0, 0, 0, 1, 1, 1], 40)
    hard = rng.normal(size=40)[users]  # Both models are wrong for some users.
    one = labels * hard + rng.normal(size=240)
    other = one + 0.3 * rng.normal(size=240)
    difference, error = gauc_difference(labels, one, other, users)
    base, more = (group_auc(labels, scores, users) for scores in (other, one))
    best = Best("gauc_then_logloss")
    best.update({"step": 0, "epoch": 0, "gauc": 0.5, "logloss": 0.5}, base)
    for step, factor, is_best in [(1, 0.98, False), (2, 1.02, True)]:
        entry = {"step": step, "epoch": 0, "gauc": 0.5 + factor * error, "logloss": 0.6}
        assert best.update(entry, more) == is_best
    assert difference != 0


def test_evaluations_are_compared_with_the_highest_gauc():
    """Each is within the noise of the previous one, with a lower logloss."""
    path = [
        evaluated(step, users(0.7 - 0.0009 * step, 0.01 * (step % 2)), 0.5 - 0.1 * step)
        for step in range(4)
    ]
    # The noise is .001. Step 1 is lower by .0009, step 2 by .0018.
    assert list(best_steps(*path)) == [0, 1, 1, 1]


def test_best_evaluation_is_replaced_when_it_leaves_the_noise():
    path = [
        evaluated(1, users(0.7), 0.50),
        evaluated(2, users(0.7009), 0.52),  # Within the noise, with a higher logloss.
        evaluated(3, users(0.7018), 0.54),  # Step 1 is no longer within the noise.
    ]
    assert list(best_steps(*path)) == [1, 1, 3]


def test_evaluations_of_different_users_are_compared_by_the_smallest_gain():
    assert list(best_steps(evaluated(1, [0.5], 0.5), evaluated(2, [0.6, 0.7], 0.6))) == [1, 2]
    assert list(best_steps(evaluated(1, [0.5], 0.5), evaluated(2, [0.5005], 0.6))) == [1, 1]


@pytest.mark.parametrize("monitor", MONITORS)
def test_restored_state_gives_the_same_decisions(monitor):
    rng = np.random.default_rng(0)
    path = []
    for step in range(20):
        entry, groups = evaluated(step, rng.uniform(0.69, 0.71, 50), rng.uniform())
        path.append((entry | {name: rng.uniform() for name in ("auc", "ne", "ece")}, groups))
    best = Best(monitor)
    for entry, groups in path:
        numbers, arrays = best.state()
        again = Best(monitor)
        again.restore(json.loads(json.dumps(numbers)), arrays)
        assert again.update(entry, groups) == best.update(entry, groups)
        assert again.evaluation.step == best.evaluation.step


def test_monitor_of_one_metric():
    for monitor, steps in [("auc", [0, 1, 1, 1]), ("logloss", [0, 0, 2, 2])]:
        best, found = Best(monitor), []
        for step, value in enumerate([0.5, 0.6, 0.4, np.nan]):
            best.update({"step": step, "epoch": 1, "auc": value, "logloss": value})
            found.append(best.evaluation.step)
        assert found == steps


def test_split_monitor_finds_the_output():
    outputs = ["ctr", "cvr"]
    assert split_monitor("gauc", outputs) == ("ctr", "gauc")
    assert split_monitor("cvr_gauc_then_logloss", outputs) == ("cvr", GAUC_THEN_LOGLOSS)
    with pytest.raises(ValueError, match=r"`monitor` must be one of .*'cvr_ece'.* Received: .*cvr"):
        split_monitor("cvr", outputs)
    with pytest.raises(ValueError, match=r"must be one of .*'ece'\. .* Received: .*ctr_auc"):
        split_monitor("ctr_auc", ["ctr"])


@pytest.mark.parametrize(
    "monitor, outputs, prefix, nearest",
    [
        ("val_buy_gauc_then_logloss", ["ctr", "buy"], "", "'buy_gauc_then_logloss'"),
        ("buy_auc", ["ctr", "buy"], "val_", "'val_buy_auc'"),
        ("gauc", ["ctr", "buy"], "val_", "'val_gauc'"),
        ("val_buy_now_ne", ["ctr", "now", "buy_now"], "", "'buy_now_ne'"),
        ("test_ece", ["ctr"], "val_", "'val_ece'"),
        ("ctr_auc", ["ctr"], "", "'auc'"),
        ("val_auc", ["ctr", "buy"], "", "'auc', 'ctr_auc', 'buy_auc'"),
        ("bui_ece", ["ctr", "buy"], "val_", "'val_ece', 'val_ctr_ece', 'val_buy_ece'"),
        ("val_loglos", ["ctr"], "val_", "'val_logloss'"),
    ],
)
def test_errors_name_the_nearest_monitors(monitor, outputs, prefix, nearest):
    with pytest.raises(ValueError, match=f"`monitor` must be one of .* Nearest: {nearest}.* Rec"):
        split_monitor(monitor, outputs, prefix)


@pytest.mark.parametrize("monitor", ["xyz", 3, ["auc"]])
def test_monitors_that_resemble_none_are_refused(monitor):
    with pytest.raises(ValueError, match=r"`monitor` must be one of 'gauc_then_.*'ece'\. Received"):
        split_monitor(monitor, ["ctr"])


def test_best_uses_the_metrics_of_its_output():
    best = Best("logloss", prefix="cvr_")
    first = {"step": 1, "epoch": 1, "ctr_logloss": 0.9, "cvr_logloss": 0.2}
    assert best.update(first)
    assert not best.update({**first, "step": 2, "ctr_logloss": 0.1, "cvr_logloss": 0.3})
    assert best.evaluation.value == best.evaluation.logloss == 0.2


def test_gauc_then_logloss_needs_the_auc_of_each_group():
    entry, _ = evaluated(1, users(), 0.17)
    with pytest.raises(ValueError, match="`by_group` must be given to monitor 'gauc_then_logloss'"):
        Best(GAUC_THEN_LOGLOSS).update(entry)


def test_monitors_of_numbers():
    outputs, numbers = ["ctr", "watch"], ("watch",)
    assert split_monitor("watch_mae", outputs, numbers=numbers) == ("watch", "mae")
    assert split_monitor("auc", outputs, numbers=numbers) == ("ctr", "auc")
    assert split_monitor(None, outputs, numbers=numbers) == ("ctr", "gauc_then_logloss")
    assert split_monitor(None, ["watch"], numbers=numbers) == ("watch", "rmse")
    # Without a spec, the kind of an output is not known.
    assert split_monitor("watch_mae", outputs, numbers=None) == ("watch", "mae")
    for wrong in ("watch_gauc", "mae", "ctr_rmse"):
        with pytest.raises(ValueError, match=rf"Received: monitor='{wrong}'"):
            split_monitor(wrong, outputs, numbers=numbers)
    best = Best("rmse", "watch_")
    entries = [{"step": i, "epoch": i, "watch_rmse": v} for i, v in enumerate((3.0, 2.0, 4.0))]
    assert [best.update(entry) for entry in entries] == [True, True, False]
    assert best.evaluation.value == 2
