"""streamed: 50 million events written to disk and read from there, in bounded memory.

A synthetic log, written by chunks of users and read memory-mapped, in shuffled batches. Anonymous
memory is what a process holds for itself: pages of files, which the system takes back when it needs
them, are not in it.
"""

import streamed
from table import Line


def lines(bench):
    for figures in streamed.measure(bench.quick):
        before, peak = figures["anonymous memory before, MB"], figures["at its peak, MB"]
        result = f"anonymous memory {before:,.0f} MB before, {peak:,.0f} at its peak"
        yield Line(
            "streamed",
            f"{figures['what']}, a second",
            f"{figures['a second']:,.0f}",
            result=result,
            goal="bounded memory",
        )
