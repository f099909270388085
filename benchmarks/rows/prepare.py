"""prepare: seconds of `keras-din prepare` on 1.7 million events, and the memory that it takes.

From Parquet and from CSV, users and items as strings. Included are the reading, the split, one
negative per positive and the writing. The start of Python and the imports come before; the result
has the time of the whole process too. Memory is the peak of the process.
"""

import contextlib
import io
import pathlib
import time

import numpy as np
from harness.electronics import USERS, draw_events, draw_lengths
from harness.memory import peak_memory
from harness.process import run_task, task_main
from harness.table import Line

MAX_SECONDS = {"parquet": 5, "csv": 15}


def lines(runner):
    folder = runner.folder / "log"
    rows = run_task("rows.prepare", "write", folder=folder)["rows"]
    for kind, limit in MAX_SECONDS.items():
        start = time.perf_counter()
        files = {"log": folder / f"log.{kind}", "folder": runner.folder / f"prepared_{kind}"}
        result = run_task("rows.prepare", "prepare", **files)
        whole = time.perf_counter() - start
        yield Line(
            "prepare",
            f"{rows:,} events, {kind}, s",
            f"{result['seconds']:.1f}",
            result=f"whole process {whole:.1f} s; peak memory {result['memory'] / 1e9:.2f} GB",
            goal=f"under {limit} s",
            met=result["seconds"] < limit,
        )


def write(folder: str, users: int = USERS, seed: int = 0) -> dict:
    """Writes the log of `electronics.py` as `log.parquet` and `log.csv`, in random order.

    Users and items are strings of 14 and 10 characters, as in Amazon's files; times are whole days.

    Returns:
        A dict with `rows`, their number.
    """
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    rng = np.random.default_rng(seed)
    log = draw_events(rng, draw_lengths(rng, users))
    rows = rng.permutation(len(log.item))
    user = np.repeat(np.arange(users), np.diff(log.offsets))[rows]
    strings = lambda form, numbers: pa.array(np.char.mod(form, numbers))  # noqa: E731
    table = pa.table(
        {
            "user": strings("A%013X", user),
            "item": strings("B%09d", log.item[rows]),
            "category": strings("c%d", log.category[rows]),
            "time": rng.integers(12_000, 16_000, len(rows)) * 86_400,
        }
    )
    folder = pathlib.Path(folder)
    folder.mkdir(exist_ok=True)
    pa.parquet.write_table(table, folder / "log.parquet")
    pa.csv.write_csv(table, folder / "log.csv")
    return {"rows": len(rows)}


def prepare(log: str, folder: str) -> dict:
    """Runs the command `keras-din prepare` in this process.

    Returns:
        A dict with `seconds` of the command without the imports, and `memory`, the peak in bytes.
    """
    import keras_din.data  # noqa: F401  Imported before the clock starts.
    from keras_din.cli import parser

    words = ["prepare", log, folder, "--user", "user", "--time", "time", "--time-unit", "s"]
    options = parser().parse_args([*words, "--target", "item,category"])
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        options.function(options)
    return {"seconds": time.perf_counter() - start, "memory": peak_memory()}


if __name__ == "__main__":
    task_main(write=write, prepare=prepare)
