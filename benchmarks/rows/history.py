"""history: microseconds per valid position as the longest history grows, batch 256.

Each batch has 2,560 behaviors for any longest: one history of that length, the others more and more
skewed. The peers are padded to the longest; their figure too is the time of a step over the valid
positions. Ours of all lengths are measured in one process, in turn.
"""

from harness.process import TaskFailed
from harness.runner import map_results
from harness.table import growth_line, lines_with_peers

LONGEST = (20, 100, 430, 1000)
MAX_GROWTH = 1.1
BATCH, MEAN = 256, 10


def lines(runner):
    per_position = lambda result: result["step"] / (BATCH * MEAN)  # noqa: E731
    data = {
        longest: runner.data("skewed", longest=longest, batch_size=BATCH, mean=MEAN)[0]
        for longest in LONGEST
    }
    folders = list(data.values())
    steps = runner.ours("train_alternating", data=folders, batch_size=BATCH)["steps"]
    ours = {n: per_position({"step": step}) for n, step in zip(LONGEST, steps, strict=True)}
    peers = {}
    for longest in LONGEST:
        results = runner.peers("train", data[longest], BATCH, longest, shuffle=False)
        peers[longest] = map_results(results, per_position)
        yield from lines_with_peers(
            "history",
            f"longest {longest}, µs per valid position",
            ours[longest],
            peers[longest],
            lambda seconds: f"{1e6 * seconds:,.2f}",
        )
    first = LONGEST[0]
    growth = {
        name: max(peers[longest][name] for longest in LONGEST) / peers[first][name]
        for name in peers[first]
        if not any(isinstance(peers[longest][name], TaskFailed) for longest in LONGEST)
    }
    ratio = max(ours.values()) / ours[first]
    yield growth_line("history", f"largest over longest {first}", ratio, growth, MAX_GROWTH)
