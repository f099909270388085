"""The roofline of a step: its number of operations over the peak rate of the machine."""

import time

import numpy as np

from harness.process import task_main


def training_operations(history: float, dim: int, attention=(80, 40), top=(80, 40)) -> float:
    """Returns the floating-point operations of one training sample with one candidate.

    Only matrix products for valid behaviors are counted, with the first attention layer split into
    the parts of query, key and product. A multiply-add is two operations. Forward and backward
    together are three times forward.

    Args:
        history: Mean number of behaviors.
        dim: Width of a behavior, all its embeddings together.
        attention: Units of the hidden layers of the activation unit.
        top: Units of the hidden layers above.
    """
    return 3 * ranking_operations(1, history, 1, dim, attention, top)


def ranking_operations(
    users: int, history: float, candidates: int, dim: int, attention=(80, 40), top=(80, 40)
) -> float:
    """Returns the operations of scoring candidates, forward only; see `training_operations`.

    The key's part of the first layer is computed once per behavior, the product's part once per
    pair of behavior and candidate.

    Args:
        users: Number of users.
        history: Behaviors per user.
        candidates: Candidates per user.
        dim: See `training_operations`.
        attention: See `training_operations`.
        top: See `training_operations`.
    """
    inner = sum(a * b for a, b in zip(attention, (*attention[1:], 1), strict=True))
    per_behavior = per_candidate = dim * attention[0]
    per_pair = dim * attention[0] + inner
    top = sum(a * b for a, b in zip((2 * dim, *top), (*top, 1), strict=True))
    per_user = history * per_behavior + candidates * (per_candidate + top + history * per_pair)
    return 2 * users * per_user


def measure_matrix_rate(seconds: float = 2.0) -> dict:
    """Measures the operations per second of `(32768, 512) @ (512, 80)` in float32, TensorFlow.

    Returns:
        A dict with `rate`.
    """
    import tensorflow as tf  # The rows need the counts of operations alone.

    a = tf.random.normal((32768, 512))
    b = tf.random.normal((512, 80))
    product = tf.function(lambda: tf.matmul(a, b))
    product()
    best, started = np.inf, time.perf_counter()
    while time.perf_counter() - started < seconds:
        start = time.perf_counter()
        product()
        best = min(best, time.perf_counter() - start)
    return {"rate": 2 * 32768 * 512 * 80 / best}


if __name__ == "__main__":
    task_main(matrix_rate=measure_matrix_rate)
