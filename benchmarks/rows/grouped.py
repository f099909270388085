"""grouped: microseconds a candidate in training, candidates of one history together and apart.

The same samples both ways: requests of 2 and of 20 candidates, one row a request, or one row a
candidate in random order. A batch holds 1,024 rows both ways.
"""

from table import Line

BATCH = 1024
TIMES = {2: None, 20: 4}  # Candidates of a request -> how much cheaper each should be.


def lines(bench):
    for candidates, times in TIMES.items():
        data, _ = bench.data("electronics", users=200_000 // candidates, candidates=candidates)
        options = {"data": data, "batch_size": BATCH}
        apart = bench.ours("train", **options)["step"] / BATCH
        together = bench.ours("train", by_request=True, **options)["step"] / (BATCH * candidates)
        ratio = apart / together
        yield Line(
            "grouped",
            f"{candidates} candidates, µs each",
            f"{1e6 * together:.2f}",
            result=f"{ratio:.2f}x cheaper than apart, {1e6 * apart:.2f}",
            goal=f"at least {times}x" if times else "",
            met=ratio >= times if times else None,
        )
