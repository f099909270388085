"""training: samples per second by batch size, ours with its input pipeline and full histories.

Histories are shaped like Amazon Electronics: mean 10, longest 427. The peers train on the same
samples in the same order, cut at their usual 100, padded and ready in memory, which favors them.
The roofline is the rate of matrix products, measured just before, over the operations of the valid
positions, with the first layer of the attention split.
"""

from harness.roofline import training_operations
from harness.runner import map_results
from harness.table import Line, lines_with_peers, thousands

GOAL_RATIOS = {32: 3, 256: 8, 1024: 10, 4096: 10}  # Batch size -> multiple of the best peer.
GOAL_SHARES = {1024: 0.35, 4096: 0.35}  # Batch size -> share of the roofline.


def lines(runner):
    data, facts = runner.data("electronics", **({"users": 20_000} if runner.quick else {}))
    for size in [1024] if runner.quick else GOAL_RATIOS:
        roofline = runner.matrix_rate() / training_operations(facts["history"], 2 * 64)
        rate = lambda result, size=size: size / result["step"]  # noqa: E731
        ours = rate(runner.ours("train", data=data, batch_size=size))
        peers = map_results(runner.peers("train", data, size, 100), rate)
        case = f"batch {size}, samples/s"
        yield from lines_with_peers("training", case, ours, peers, thousands, GOAL_RATIOS[size])
        goal = GOAL_SHARES.get(size)
        yield Line(
            "training",
            f"batch {size}, share of the roofline",
            f"{ours / roofline:.1%}",
            result=f"of {roofline:,.0f} samples/s",
            goal=f"at least {goal:.0%}" if goal else "",
            met=ours / roofline >= goal if goal else None,
        )
