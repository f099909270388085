"""inference: samples a second that a model scores at batch 1024.

By the function that `predict` calls: ours on batches of the pipeline, never cut; peers on the same
samples, cut at 100, padded and ready in memory.
"""

from bench import figures
from table import beside_peers, thousands

BATCH, TIMES = 1024, 8


def lines(bench):
    rate = lambda answer: BATCH / answer["step"]  # noqa: E731
    data, _ = bench.data("electronics")
    ours = rate(bench.ours("predict", data=data, batch_size=BATCH))
    theirs = figures(bench.theirs("predict", data, BATCH, 100), rate)
    yield from beside_peers(
        "inference", f"batch {BATCH}, samples/s", ours, theirs, thousands, TIMES
    )
