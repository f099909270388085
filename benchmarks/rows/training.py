"""training: samples a second by batch size, ours with its input pipeline and never cut.

Histories shaped like Amazon Electronics: mean 10, longest 427. Peers train on the same samples in
the same order, cut at 100, their usual cut, padded and ready in memory, which favors them. The
floor is the rate of the machine's matrix products, measured beside, over the operations of real
positions with the first layer of the attention split.
"""

from bench import figures
from floor import operations
from table import Line, beside_peers, thousands

TIMES = {32: 3, 256: 8, 1024: 10, 4096: 10}  # Batch size -> the goal, times the best peer.
SHARE = {1024: 0.35, 4096: 0.35}  # Of the floor.


def lines(bench):
    data, facts = bench.data("electronics", **({"users": 20_000} if bench.quick else {}))
    for size in [1024] if bench.quick else TIMES:
        floor = bench.matrix_rate() / operations(facts["history"], 2 * 64)
        rate = lambda answer, size=size: size / answer["step"]  # noqa: E731
        ours = rate(bench.ours("train", data=data, batch_size=size))
        theirs = figures(bench.theirs("train", data, size, 100), rate)
        case = f"batch {size}, samples/s"
        yield from beside_peers("training", case, ours, theirs, thousands, TIMES[size])
        goal = SHARE.get(size)
        yield Line(
            "training",
            f"batch {size}, share of the floor",
            f"{ours / floor:.1%}",
            result=f"of {floor:,.0f} samples/s",
            goal=f"at least {goal:.0%}" if goal else "",
            met=ours / floor >= goal if goal else None,
        )
