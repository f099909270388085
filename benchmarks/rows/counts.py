"""counts: three `Count` features of 10 million rows, from keys and times to values.

Clicks of an item in 7 days, the click rate of an item, and rows of a pair of user and category.
There are a million users, 100,000 items with popularity 1 / rank, and distinct times. In short, all
numbers are a hundredth of that.
"""

import time

from harness.process import run_task, task_main
from harness.table import Line

ROWS = 10_000_000


def lines(runner):
    rows = ROWS // (100 if runner.quick else 1)
    result = run_task("rows.counts", "count", rows=rows, timeout=3600)
    for name, seconds in result["seconds"].items():
        yield Line(
            "counts",
            f"{rows:,} rows, {name}, s",
            f"{seconds:.1f}",
            goal="at most 20",
            met=seconds <= 20,
        )
    yield Line("counts", f"{rows:,} rows, peak of memory, bytes per row", f"{result['bytes']:.0f}")


def count(rows: int) -> dict:
    """Measures each feature alone, with its own sort."""
    import numpy as np
    import pandas as pd
    from harness.memory import peak_memory, resident_memory

    import keras_din as kd
    from keras_din.data.prepare.counts import counted_values, past_of_rows, sort_by_keys

    rng = np.random.default_rng(0)
    items = max(rows // 100, 10)
    columns = {
        "user": pd.Series(rng.integers(rows // 10, size=rows)),
        "item": pd.Series((items ** rng.random(rows)).astype(np.int64)),
        "category": pd.Series(rng.integers(50, size=rows)),
    }
    at = rng.integers(0, 30 * 86_400 * 10**6, rows)
    flags = {"click": (rng.random(rows) < 0.05).astype(np.float32)}
    features = {
        "clicks of an item in 7 days": kd.Count("n", of="item", event="click", window="7d"),
        "rate of an item": kd.Count("n", of="item", event="click", kind="rate", base=0.05),
        "rows of user and category": kd.Count("n", of=["user", "category"]),
    }
    seconds, before = {}, resident_memory()
    for name, feature in features.items():
        start = time.perf_counter()
        sorted_rows = sort_by_keys([feature], columns.__getitem__, at)
        past = past_of_rows([feature], sorted_rows, flags)
        counted_values(feature, [past[feature.of]], sorted_rows[feature.of])
        seconds[name] = time.perf_counter() - start
        del sorted_rows, past
    return {"seconds": seconds, "bytes": (peak_memory() - before) / rows}


if __name__ == "__main__":
    task_main(count=count)
