"""history: microseconds a real position as the longest history grows, batch 256.

Each batch has 2,560 real behaviors whatever the longest, one history of that length and the
others more and more skewed. Peers are padded to the longest; their figure too is a step's time over
real positions. Ours of all lengths are measured in one process, in turn.
"""

from bench import figures
from process import Failed
from table import at_most, beside_peers

LONGEST = (20, 100, 430, 1000)
GROWTH = 1.1
BATCH, MEAN = 256, 10


def lines(bench):
    a_position = lambda answer: answer["step"] / (BATCH * MEAN)  # noqa: E731
    data = {
        longest: bench.data("skewed", longest=longest, batch_size=BATCH, mean=MEAN)[0]
        for longest in LONGEST
    }
    steps = bench.ours("train_in_turn", data=list(data.values()), batch_size=BATCH)["steps"]
    ours = {n: a_position({"step": step}) for n, step in zip(LONGEST, steps, strict=True)}
    theirs = {}
    for longest in LONGEST:
        answers = bench.theirs("train", data[longest], BATCH, longest, shuffle=False)
        theirs[longest] = figures(answers, a_position)
        yield from beside_peers(
            "history",
            f"longest {longest}, µs a real position",
            ours[longest],
            theirs[longest],
            lambda seconds: f"{1e6 * seconds:,.2f}",
        )
    first = LONGEST[0]
    grown = {
        name: max(theirs[longest][name] for longest in LONGEST) / theirs[first][name]
        for name in theirs[first]
        if not any(isinstance(theirs[longest][name], Failed) for longest in LONGEST)
    }
    ratio = max(ours.values()) / ours[first]
    yield at_most("history", f"most, over that of longest {first}", ratio, grown, GROWTH)
