"""The random log and its data sets: sizes, positives, and lengths of skewed batches."""

import numpy as np
import pytest


def test_sizes_of_electronics():
    from harness.data_sets import electronics, mean_history

    data = electronics(users=20_000)
    samples = data.parts["train"]
    assert len(samples) == pytest.approx(2_608_764 * 20_000 / 192_403, rel=0.05)
    assert samples.label.mean() == 0.5
    assert 9 < mean_history(data) < 12
    start, end = samples.history["hist"]
    assert np.median(end - start) == 4
    assert (end - start).max() > 400
    assert (end - start).min() == 1


def test_positive_of_a_request_is_the_next_behavior():
    from harness.data_sets import electronics

    data = electronics(users=50, candidates=3)
    samples, log = data.parts["train"], data.behaviors["hist"]
    _, end = samples.history["hist"]
    assert samples.label.tolist() == [1, 0, 0] * (len(samples) // 3)
    assert (samples.columns["item_id"][::3] == log.columns["item_id"][end[::3]]).all()
    assert (samples.columns["cate_id"][::3] == log.columns["cate_id"][end[::3]]).all()


def test_lengths_of_a_power_law_by_hand():
    from harness.electronics import power_law

    assert power_law(6, rows=3, total=11).tolist() == [6, 3, 2]  # 6 / rank
    assert power_law(9, rows=3, total=12).tolist() == [9, 2, 1]
    assert power_law(2, rows=3, total=5).tolist() == [2, 2, 1]  # 2, 1, 1, and one more.
    for longest in (20, 100, 430, 1000):
        lengths = power_law(longest, rows=256, total=2560)
        assert lengths.sum() == 2560
        assert (lengths[0], lengths.min() >= 1) == (longest, True)
        assert (np.diff(lengths) <= 0).all()


def test_skewed_batches_have_equal_sums_of_lengths():
    from harness.data_sets import skewed

    start, end = skewed(100, batches=3, batch_size=32).parts["train"].history["hist"]
    lengths = (end - start).reshape(3, 32)
    assert lengths.sum(axis=1).tolist() == [320] * 3
    assert lengths.max(axis=1).tolist() == [100] * 3
