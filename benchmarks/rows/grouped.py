"""grouped: microseconds per candidate in training, with the candidates of a request in one row.

Compared are the same samples as one row per request, with 2 or 20 candidates, and as one row per
candidate in random order. A batch has 1,024 rows both ways.
"""

from harness.table import Line

BATCH = 1024
GOAL_RATIOS = {2: None, 20: 4}  # Candidates per request -> how much cheaper each should be.


def lines(runner):
    for candidates, goal in GOAL_RATIOS.items():
        users = 200_000 // candidates
        data, _ = runner.data("electronics", users=users, candidates=candidates)
        options = {"data": data, "batch_size": BATCH}
        alone = runner.ours("train", **options)["step"] / BATCH
        step = runner.ours("train", by_request=True, **options)["step"]
        together = step / (BATCH * candidates)
        ratio = alone / together
        yield Line(
            "grouped",
            f"{candidates} candidates, µs each",
            f"{1e6 * together:.2f}",
            result=f"{ratio:.2f}x cheaper than one per row, {1e6 * alone:.2f}",
            goal=f"at least {goal}x" if goal else "",
            met=ratio >= goal if goal else None,
        )
