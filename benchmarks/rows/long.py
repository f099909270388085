"""long: microseconds per valid position, and memory, with histories of 1,000 and 10,000 behaviors.

In training each batch has 20,480 behaviors (20,000 where all its histories are full): 256 histories
of 80, or one of the longest and shorter others, or full ones alone. `rank` scores 20 candidates for
one user, whose history is full, or short and padded. Memory is the peak of the process minus what
it held just before the model was built, or just before the first call. Ours alone.
"""

import numpy as np
from harness.process import run_task, task_main
from harness.table import Line, growth_line

LONGEST = 10_000
# Longest history -> batch size and mean history.
SKEWED = {80: (256, 80), 1_000: (256, 80), LONGEST: (256, 80)}
FULL = {1_000: (20, 1_000), LONGEST: (2, LONGEST)}
CANDIDATES, RANKED = 20, (100, 1_000, LONGEST)
MAX_GROWTH = 1.5


def lines(runner):
    per_position = []
    for word, cases in (("one of", SKEWED), ("all of", FULL)):
        for longest, (size, mean) in cases.items():
            batch = {"batch_size": size, "mean": mean, "batches": 16}
            data, _ = runner.data("skewed", longest=longest, **batch)
            result = runner.ours("train", data=data, batch_size=size, shuffle=False)
            per_position.append(result["step"] / (size * mean))
            case = f"training, batch {size}, {word} {longest:,}"
            yield _line(case, per_position[-1], result["memory"])
    ratio = max(per_position) / per_position[0]
    yield growth_line("long", "training, largest over histories of 80", ratio, {}, MAX_GROWTH)

    folder = runner.folder / "long"
    version = run_task("harness.our_din", "export", folder=folder, max_length=LONGEST)["version"]
    options = {"version": version, "candidates": CANDIDATES, "seconds": runner.seconds}
    calls = {}
    for history in RANKED:
        result = run_task("rows.long", "rank", history=history, **options)
        calls[history] = result["call"] / history
        yield _line(f"rank, history {history:,}", calls[history], result["memory"])
    ratio = calls[LONGEST] / calls[1_000]
    yield growth_line("long", f"rank, {LONGEST:,} over 1,000", ratio, {}, MAX_GROWTH)
    short = RANKED[0]
    padded = run_task("rows.long", "rank", history=short, padding=LONGEST - short, **options)
    call = padded["call"] / short
    yield _line(f"rank, history {short} padded to {LONGEST:,}", call, padded["memory"])
    ratio = call / calls[short]
    yield growth_line("long", "rank, padded over not padded", ratio, {}, MAX_GROWTH)


def _line(case: str, per_position: float, memory: int) -> Line:
    cell = f"{1e6 * per_position:,.2f}"
    return Line("long", f"{case}, µs per valid position", cell, result=f"{memory / 1e6:,.0f} MB")


def rank(version: str, history: int, candidates: int, seconds: float, padding: int = 0) -> dict:
    """Measures `rank` for one user, with `padding` positions in front of the history.

    Returns:
        A dict with `call`, the median in seconds, and `memory` in bytes.
    """
    from harness.electronics import VOCABULARY_SIZES
    from harness.memory import peak_memory, resident_memory
    from harness.our_din import rank_function
    from harness.rank_request import make_request
    from harness.timing import latencies

    inputs = make_request(*VOCABULARY_SIZES.values(), 1, history, candidates)
    call = rank_function(
        version,
        {
            name: np.pad(x, ((0, 0), (padding, 0))) if name.startswith("hist") else x
            for name, x in inputs.items()
        },
    )
    before = resident_memory()
    taken = latencies(call, seconds)
    return {"call": taken["p50"], "memory": peak_memory() - before}


if __name__ == "__main__":
    task_main(rank=rank)
