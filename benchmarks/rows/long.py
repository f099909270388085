"""long: microseconds a real position, and memory, with histories of 1,000 and 10,000 behaviors.

In training each batch has 20,480 real behaviors (20,000 where all its histories are full): 256
histories of 80, or one of the longest and the others shorter, or full ones alone. `rank` scores 20
candidates for one user, whose history is full, or short and padded. Memory is the most that the
process has held, less what it held just before the model, or the first call. Ours alone.
"""

from long_histories import LONGEST
from process import ask
from table import Line, at_most

# Longest history -> batch size and mean history.
SKEWED = {80: (256, 80), 1_000: (256, 80), LONGEST: (256, 80)}
FULL = {1_000: (20, 1_000), LONGEST: (2, LONGEST)}
CANDIDATES, RANKED = 20, (100, 1_000, LONGEST)
GROWTH = 1.5


def lines(bench):
    found = []
    for word, cases in (("one of", SKEWED), ("all of", FULL)):
        for longest, (size, mean) in cases.items():
            batch = {"batch_size": size, "mean": mean, "batches": 16}
            data, _ = bench.data("skewed", longest=longest, **batch)
            taken = bench.ours("train", data=data, batch_size=size, shuffle=False)
            a_position = taken["step"] / (size * mean)
            found.append(a_position)
            yield line(f"training, batch {size}, {word} {longest:,}", a_position, taken["memory"])
    yield at_most("long", "training, most over histories of 80", max(found) / found[0], {}, GROWTH)

    version = ask("long_histories", "export", folder=bench.folder / "long")["version"]
    options = {"version": version, "candidates": CANDIDATES, "seconds": bench.seconds}
    calls = {}
    for history in RANKED:
        taken = ask("long_histories", "rank", history=history, **options)
        calls[history] = taken["call"] / history
        yield line(f"rank, history {history:,}", calls[history], taken["memory"])
    ratio = calls[LONGEST] / calls[1_000]
    yield at_most("long", f"rank, {LONGEST:,} over 1,000", ratio, {}, GROWTH)
    short = RANKED[0]
    padded = ask("long_histories", "rank", history=short, padded=LONGEST - short, **options)
    a_position = padded["call"] / short
    yield line(f"rank, history {short} padded to {LONGEST:,}", a_position, padded["memory"])
    ratio = a_position / calls[short]
    yield at_most("long", "rank, padded over not padded", ratio, {}, GROWTH)


def line(case: str, a_position: float, memory: int) -> Line:
    cell = f"{1e6 * a_position:,.2f}"
    return Line("long", f"{case}, µs a real position", cell, result=f"{memory / 1e6:,.0f} MB")
