"""vocabulary: milliseconds a step as the table of items grows, and the memory that it takes.

Batch 1024, histories cut at 20, dimension 32; ours with LazyAdam, peers with Adam. Memory is the
most that the process has held, less what it held just before the model was built, its data and
pipeline (or batches) there: with the table and its two moments also the graph and what a step
needs. At the largest size ours is compared with the bytes of table and moments; beside stands how
it grows from the smallest size, over how these bytes grow.
"""

from bench import figures
from process import Failed
from table import Line, at_most, beside_peers, milliseconds

ITEMS = (63_001, 1_000_000, 10_000_000)
GROWTH, MEMORY = 1.3, 1.1
DIM, CUT, BATCH = 32, 20, 1024


def lines(bench):
    sizes = ITEMS[:2] if bench.quick else ITEMS
    ours, theirs = {}, {}
    for items in sizes:
        users = {"users": 20_000} if bench.quick else {}
        data, _ = bench.data("electronics", items=items, dim=DIM, max_length=CUT, **users)
        ours[items] = bench.ours("train", data=data, batch_size=BATCH)
        theirs[items] = {} if bench.quick else bench.theirs("train", data, BATCH, CUT, DIM)
        yield from beside_peers(
            "vocabulary",
            f"{items:,} items, ms a step",
            ours[items]["step"],
            figures(theirs[items], lambda answer: answer["step"]),
            milliseconds,
        )
    first, last = sizes[0], sizes[-1]
    grown = {
        name: theirs[last][name]["step"] / theirs[first][name]["step"]
        for name in theirs[last]
        if not any(isinstance(theirs[size][name], Failed) for size in (first, last))
    }
    ratio = ours[last]["step"] / ours[first]["step"]
    yield at_most("vocabulary", f"step, {first:,} to {last:,}", ratio, grown, GROWTH)
    if last == ITEMS[-1]:
        needed = 3 * 4 * DIM * last
        ratio = ours[last]["memory"] / needed
        more = (ours[last]["memory"] - ours[first]["memory"]) / (3 * 4 * DIM * (last - first))
        gigabytes = lambda answer: f"{answer['memory'] / 1e9:.2f}"  # noqa: E731
        yield Line(
            "vocabulary",
            f"{last:,} items, peak memory, GB",
            gigabytes(ours[last]),
            {n: gigabytes(a) for n, a in theirs[last].items() if not isinstance(a, Failed)},
            f"{ratio:.3f}x table and moments, {needed / 1e9:.2f}; growth {more:.2f}x theirs",
            f"at most {MEMORY}x",
            ratio <= MEMORY,
        )
