"""ListwiseSoftmax by hand."""

import math

import numpy as np
import pytest

from keras_din.losses import ListwiseSoftmax, PairwiseLogistic


def test_two_positives_by_hand():
    """Logits log(4), 0, 0 with positives first and second: softmax 4/6 and 1/6."""
    found = ListwiseSoftmax()(np.array([[1, 1, 0]]), np.array([[0.8, 0.5, 0.5]], "float32"))
    assert float(found) == pytest.approx(-(math.log(4 / 6) + math.log(1 / 6)) / 2, rel=1e-5)


def test_one_pair_equals_the_pairwise_loss():
    y, p = np.array([[1, 0], [0, 1]]), np.array([[0.7, 0.4], [0.9, 0.2]], "float32")
    assert float(ListwiseSoftmax()(y, p)) == pytest.approx(
        float(PairwiseLogistic()(y, p)), rel=1e-5
    )
