"""vocabulary: milliseconds per step as the table of items grows, and the memory that it takes.

Batch 1024, histories cut at 20, dimension 32; ours with LazyAdam, the peers with Adam. Memory is
the peak of the process minus what it held just before the model was built, when data and pipeline
(or batches) were there: the table, its two moments, the graph and what a step needs. At the largest
size ours is compared with the bytes of the table and its moments. "growth" is how the memory grows
from the smallest size, over how these bytes grow.
"""

from harness.process import TaskFailed
from harness.runner import map_results
from harness.table import Line, growth_line, lines_with_peers, milliseconds

ITEMS = (63_001, 1_000_000, 10_000_000)
MAX_GROWTH, MAX_MEMORY = 1.3, 1.1
DIM, LENGTH, BATCH = 32, 20, 1024


def lines(runner):
    sizes = ITEMS[:2] if runner.quick else ITEMS
    ours, peers = {}, {}
    for items in sizes:
        users = {"users": 20_000} if runner.quick else {}
        data, _ = runner.data("electronics", items=items, dim=DIM, max_length=LENGTH, **users)
        ours[items] = runner.ours("train", data=data, batch_size=BATCH)
        peers[items] = {} if runner.quick else runner.peers("train", data, BATCH, LENGTH, DIM)
        yield from lines_with_peers(
            "vocabulary",
            f"{items:,} items, ms per step",
            ours[items]["step"],
            map_results(peers[items], lambda result: result["step"]),
            milliseconds,
        )
    first, last = sizes[0], sizes[-1]
    growth = {
        name: peers[last][name]["step"] / peers[first][name]["step"]
        for name in peers[last]
        if not any(isinstance(peers[size][name], TaskFailed) for size in (first, last))
    }
    ratio = ours[last]["step"] / ours[first]["step"]
    yield growth_line("vocabulary", f"step, {first:,} to {last:,}", ratio, growth, MAX_GROWTH)
    if last == ITEMS[-1]:
        needed = 3 * 4 * DIM * last
        ratio = ours[last]["memory"] / needed
        more = (ours[last]["memory"] - ours[first]["memory"]) / (3 * 4 * DIM * (last - first))
        gigabytes = lambda result: f"{result['memory'] / 1e9:.2f}"  # noqa: E731
        yield Line(
            "vocabulary",
            f"{last:,} items, peak memory, GB",
            gigabytes(ours[last]),
            {n: gigabytes(r) for n, r in peers[last].items() if not isinstance(r, TaskFailed)},
            f"{ratio:.3f}x table and moments, {needed / 1e9:.2f}; growth {more:.2f}x theirs",
            f"at most {MAX_MEMORY}x",
            ratio <= MAX_MEMORY,
        )
