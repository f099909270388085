"""inference: samples a second that a model scores at batch 1024.

By the function that `predict` calls, on batches that are ready in memory: ours never cut, peers on
the same samples, cut at 100 and padded. Ours again on batches of the pipeline as they are made.
"""

from bench import figures
from table import Line, beside_peers, thousands

BATCH, TIMES = 1024, 8
READY = 64  # As many as peers have.


def lines(bench):
    rate = lambda answer: BATCH / answer["step"]  # noqa: E731
    data, _ = bench.data("electronics")
    ours = rate(bench.ours("predict", data=data, batch_size=BATCH, ready=READY))
    theirs = figures(bench.theirs("predict", data, BATCH, 100), rate)
    yield from beside_peers(
        "inference", f"batch {BATCH}, samples/s", ours, theirs, thousands, TIMES
    )
    made = rate(bench.ours("predict", data=data, batch_size=BATCH))
    result = f"{made / ours:.0%} of it"
    yield Line(
        "inference", f"batch {BATCH}, samples/s: pipeline included", thousands(made), {}, result
    )
