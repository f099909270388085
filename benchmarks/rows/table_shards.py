"""table_shards: milliseconds per step with tables in 1, 2, 4 and 8 variables, on one device.

Batch 1024, histories cut at 20, dimension 32, 1,000,000 items, LazyAdam. The models are measured
in turn in one process. Ours alone.
"""

from harness.table import growth_line, lines_with_peers, milliseconds

SHARDS = (1, 2, 4, 8)
ITEMS, DIM, LENGTH, BATCH = 1_000_000, 32, 20, 1024
MAX_GROWTH = 1.3


def lines(runner):
    users = {"users": 20_000} if runner.quick else {}
    data, _ = runner.data("electronics", items=ITEMS, dim=DIM, max_length=LENGTH, **users)
    folders = [data] * len(SHARDS)
    steps = runner.ours("train_alternating", data=folders, batch_size=BATCH, shards=SHARDS)["steps"]
    for shards, step in zip(SHARDS, steps, strict=True):
        case = f"{shards} shards, ms per step"
        yield from lines_with_peers("table_shards", case, step, {}, milliseconds)
    yield growth_line("table_shards", "step, 1 to 8 shards", steps[-1] / steps[0], {}, MAX_GROWTH)
