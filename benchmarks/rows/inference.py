"""inference: samples per second that a model scores at batch 1024.

By the function that `predict` calls, on batches that are ready in memory: ours with full histories,
the peers on the same samples, cut at 100 and padded. The second line is ours on batches that the
pipeline makes at the same time.
"""

from harness.runner import map_results
from harness.table import Line, lines_with_peers, thousands

BATCH, GOAL_RATIO = 1024, 8
CACHED_BATCHES = 64  # As many as the peers have.


def lines(runner):
    rate = lambda result: BATCH / result["step"]  # noqa: E731
    data, _ = runner.data("electronics")
    options = {"data": data, "batch_size": BATCH}
    ours = rate(runner.ours("predict", cached_batches=CACHED_BATCHES, **options))
    peers = map_results(runner.peers("predict", data, BATCH, 100), rate)
    case = f"batch {BATCH}, samples/s"
    yield from lines_with_peers("inference", case, ours, peers, thousands, GOAL_RATIO)
    with_pipeline = rate(runner.ours("predict", **options))
    result = f"{with_pipeline / ours:.0%} of it"
    yield Line("inference", f"{case}: pipeline included", thousands(with_pipeline), result=result)
