"""PairwiseLogistic by hand, and its two forms for lists of pairs and for masks."""

import math

import numpy as np
import pytest

from keras_din.losses import PairwiseLogistic, pair_sums
from keras_din.losses.grouped_candidates import grouped_candidates
from keras_din.losses.grouping import grouping

LOG4 = math.log(4)


def test_two_pairs_by_hand():
    """Logits log(4), 0 and -log(4) of a positive and two negatives: log(1 + 1/4), log(1 + 1/16)."""
    found = PairwiseLogistic()(np.array([[1, 0, 0]]), np.array([[0.8, 0.5, 0.2]], "float32"))
    assert float(found) == pytest.approx((math.log(1.25) + math.log(1.0625)) / 2, rel=1e-5)


def test_groups_are_weighted_by_their_sizes():
    """A group of 2 with the loss log(2), a group of 3 with the loss log(1 + 1/4)."""
    y = np.array([[1, 0, 0], [1, 0, 0]])
    p = np.array([[0.5, 0.5, 0.9], [0.8, 0.5, 0.5]], "float32")
    weight = np.array([[1, 1, 0], [1, 1, 1]], "float32")
    expected = (2 * math.log(2) + 3 * math.log(1.25)) / 5
    assert float(PairwiseLogistic()(y, p, weight)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("by_group", [False, True])
def test_lists_and_masks_of_pairs_are_equal(by_group):
    rng = np.random.default_rng(0)
    y = (rng.random((9, 4)) < 0.4).astype("float32")
    s = rng.normal(size=(9, 4)).astype("float32")
    w = rng.choice([0, 1, 2.5], (9, 4)).astype("float32")
    x = {"_group": rng.integers(0, 3, 9)} if by_group else {}
    with grouping(x, s):
        batch = grouped_candidates("pairwise_logistic", y, s, w)
    listed, masked = pair_sums._by_list(batch).numpy(), pair_sums._by_mask(batch).numpy()
    assert (listed > 0).sum() > 5
    np.testing.assert_allclose(listed, masked, rtol=1e-5)


def test_pairs_cost_no_square_of_the_batch():
    """50,000 rows of 25,000 groups: a mask would have 2.5 billion entries."""
    y = np.tile([1.0, 0.0], 25_000)[:, None].astype("float32")
    p = np.full_like(y, 0.5)
    with grouping({"_group": np.repeat(np.arange(25_000), 2)}, p):
        found = float(PairwiseLogistic()(y, p))
    assert found == pytest.approx(math.log(2), rel=1e-5)
