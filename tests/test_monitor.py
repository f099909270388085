"""Which evaluation of a training is the best."""

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


def kept(*evaluations):
    """The steps that are the best, one after another."""
    best = Best("gauc_then_logloss")
    for each in evaluations:
        best.update(*each)
        yield best.kept.step


# Of 100 users: each has the AUC .7, or those named another.
def users(mean=0.7, half=0.0):
    """AUCs whose mean is `mean`, half of them more by `half` and half less."""
    return mean + half * np.tile([1, -1], 50)


def test_a_little_gauc_is_not_bought_with_logloss():
    """+.0007 GAUC for +.046 logloss, however sure the former is."""
    first, second = evaluated(1, users(0.7), 0.170), evaluated(2, users(0.7007), 0.216)
    assert list(kept(first, second)) == [1, 1]
    assert list(kept(second, first)) == [2, 1]


def test_a_gauc_beyond_the_noise_comes_first():
    first = evaluated(1, users(0.7), 0.170)
    # The differences are d + .1 and d - .1: their mean has the error sqrt(100 / 99) .1 / 10.
    error = np.sqrt(100 / 99) * 0.01
    for more, best in [(0.99 * error, 1), (1.01 * error, 2)]:
        assert list(kept(first, evaluated(2, users(0.7 + more, 0.1), 0.216))) == [1, best]


def test_the_error_is_that_of_the_difference():
    """It is what `gauc_difference` has, and not that of one GAUC."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(40), 6)
    labels = np.tile([0, 0, 0, 1, 1, 1], 40)
    hard = rng.normal(size=40)[users]  # Users for whom both models are wrong.
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


def test_small_steps_do_not_add_up():
    """Each is within the noise of the one before, and the logloss gets less and less."""
    path = [
        evaluated(step, users(0.7 - 0.0009 * step, 0.01 * (step % 2)), 0.5 - 0.1 * step)
        for step in range(4)
    ]
    # The error of a step is .001 at most: step 1 is .0009 less, step 2 .0018.
    assert list(kept(*path)) == [0, 1, 1, 1]


def test_what_is_best_may_be_left_behind_by_a_higher_one():
    path = [
        evaluated(1, users(0.7), 0.50),
        evaluated(2, users(0.7009), 0.52),  # As good, at more logloss.
        evaluated(3, users(0.7018), 0.54),  # Step 1 is no longer within the noise.
    ]
    assert list(kept(*path)) == [1, 1, 3]


def test_other_users_at_each_evaluation():
    assert list(kept(evaluated(1, [0.5], 0.5), evaluated(2, [0.6, 0.7], 0.6))) == [1, 2]
    assert list(kept(evaluated(1, [0.5], 0.5), evaluated(2, [0.5005], 0.6))) == [1, 1]


@pytest.mark.parametrize("monitor", MONITORS)
def test_what_is_restored_goes_on_as_before(monitor):
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
        assert again.kept.step == best.kept.step


def test_one_metric_alone():
    for monitor, steps in [("auc", [0, 1, 1, 1]), ("logloss", [0, 0, 2, 2])]:
        best, found = Best(monitor), []
        for step, value in enumerate([0.5, 0.6, 0.4, np.nan]):
            best.update({"step": step, "epoch": 1, "auc": value, "logloss": value})
            found.append(best.kept.step)
        assert found == steps


def test_the_monitored_output():
    outputs = ["ctr", "cvr"]
    assert split_monitor("gauc", outputs) == ("ctr", "gauc")
    assert split_monitor("cvr_gauc_then_logloss", outputs) == ("cvr", GAUC_THEN_LOGLOSS)
    with pytest.raises(ValueError, match=r"`monitor` must be one of .*'cvr_ece'.* Received: .*cvr"):
        split_monitor("cvr", outputs)
    with pytest.raises(ValueError, match=r"`monitor` must be one of .*'ece'\. Received: .*ctr_auc"):
        split_monitor("ctr_auc", ["ctr"])


def test_the_best_of_an_output_reads_its_own_metrics():
    best = Best("logloss", prefix="cvr_")
    first = {"step": 1, "epoch": 1, "ctr_logloss": 0.9, "cvr_logloss": 0.2}
    assert best.update(first)
    assert not best.update({**first, "step": 2, "ctr_logloss": 0.1, "cvr_logloss": 0.3})
    assert best.kept.value == best.kept.logloss == 0.2
