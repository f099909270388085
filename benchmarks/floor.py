"""The floor of a training step: the operations it can't do without, over the machine's rate."""

import time

import numpy as np
from process import answer


def operations(history: float, dim: int, attention=(80, 40), top=(80, 40)) -> float:
    """Floating-point operations of one training sample with one candidate.

    Matrix products only, real behaviors only, first attention layer split; two operations a
    multiply-add; forward and backward are three times forward. `history` is the mean number of
    behaviors, `dim` the width of a behavior (all its embeddings).
    """
    return 3 * ranking_operations(1, history, 1, dim, attention, top)


def ranking_operations(
    users: int, history: float, candidates: int, dim: int, attention=(80, 40), top=(80, 40)
) -> float:
    """Those of scoring so many candidates for each of some users, as in `operations`, forward.

    The part of a key is due once a behavior, that of its product with a query once a pair.
    """
    inner = sum(a * b for a, b in zip(attention, (*attention[1:], 1), strict=True))
    a_behavior = a_candidate = dim * attention[0]
    a_pair = dim * attention[0] + inner
    top = sum(a * b for a, b in zip((2 * dim, *top), (*top, 1), strict=True))
    a_user = history * a_behavior + candidates * (a_candidate + top + history * a_pair)
    return 2 * users * a_user


def matrix_rate(seconds: float = 2.0) -> float:
    """Operations a second that TensorFlow reaches in `(32768, 512) @ (512, 80)`, float32."""
    import tensorflow as tf  # Only here: the rows take the operations alone.

    a = tf.random.normal((32768, 512))
    b = tf.random.normal((512, 80))
    product = tf.function(lambda: tf.matmul(a, b))
    product()
    best, started = np.inf, time.perf_counter()
    while time.perf_counter() - started < seconds:
        start = time.perf_counter()
        product()
        best = min(best, time.perf_counter() - start)
    return 2 * 32768 * 512 * 80 / best


def measured(seconds: float) -> dict:
    """The rate, for the rows that compare with it."""
    return {"rate": matrix_rate(seconds)}


if __name__ == "__main__":
    answer(rate=measured)
