"""prepare: seconds of `keras-din prepare` on 1.7 million events, and the memory that it takes.

From Parquet and from CSV, users and items as strings; the reading, the split, one negative a
positive, and what is written to disk. The start of Python and the imports come before; the result
says the time of the whole process too. Memory is the most that the process held, all included.
"""

import time

from process import ask
from table import Line

LIMITS = {"parquet": 5, "csv": 15}  # Seconds.


def lines(bench):
    folder = bench.folder / "log"
    rows = ask("preparing", "write", folder=folder)["rows"]
    for kind, limit in LIMITS.items():
        start = time.perf_counter()
        files = {"log": folder / f"log.{kind}", "folder": bench.folder / f"prepared_{kind}"}
        answer = ask("preparing", "prepare", **files)
        whole = time.perf_counter() - start
        yield Line(
            "prepare",
            f"{rows:,} events, {kind}, s",
            f"{answer['seconds']:.1f}",
            result=f"whole process {whole:.1f} s; peak memory {answer['memory'] / 1e9:.2f} GB",
            goal=f"under {limit} s",
            met=answer["seconds"] < limit,
        )
