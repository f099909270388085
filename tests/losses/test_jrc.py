"""JRC by hand, and against the paper's pseudocode with two logits."""

import math

import numpy as np
import pytest

from keras_din.losses import JRC, BinaryCrossentropy


def test_one_pair_by_hand():
    """Logits log(4) and 0, so exp(s / 2) is 2 and 1: both softmaxes give 2/3."""
    y, p = np.array([[1, 0]]), np.array([[0.8, 0.5]], "float32")
    assert float(JRC(crossentropy=0.0)(y, p)) == pytest.approx(-math.log(2 / 3), rel=1e-5)


def test_paper():
    """`a` times the crossentropy and `1 - a` times the mean over the samples of all contexts.

    As in the paper, a context's samples form the two softmaxes. Each context has both classes.
    """
    rng = np.random.default_rng(0)
    y = np.array([[1, 0, 0, 1], [0, 0, 1, 0], [1, 1, 1, 0]])
    s = rng.normal(0, 2, y.shape)
    logits = np.stack([-s / 2, s / 2], axis=-1)  # No click, click.
    softmax = lambda z, axis: np.exp(z) / np.exp(z).sum(axis, keepdims=True)  # noqa: E731
    both = softmax(logits, -1)
    calibration = -np.log(np.take_along_axis(both, y[..., None], -1)).mean()
    in_context = softmax(logits, 1)
    rank = -np.log(np.take_along_axis(in_context, y[..., None], -1)).mean()
    p = both[..., 1].astype("float32")
    loss = JRC(0.3, crossentropy=0.7)
    assert float(loss(y, p)) == pytest.approx(0.7 * calibration + 0.3 * rank, rel=1e-5)
    assert float(BinaryCrossentropy()(y, p)) == pytest.approx(calibration, rel=1e-5)
