"""many_files: 100 million rows of 100 Parquet files read and prepared, and the memory per row.

Users, items and categories are strings of 12 letters. `read` keeps the five columns that the
preparation needs; `prepare` makes a data set of them in memory. Memory is the growth of the process
from before to its peak. In short, it is 5 million rows of 10 files, also as CSV files and as one
DataFrame of pandas. `--log-rows` sets the number of rows.
"""

import pathlib
import time

import numpy as np
from harness.memory import peak_memory, resident_memory
from harness.process import run_task, task_main
from harness.table import Line

ROWS, FILES = 100_000_000, 100
QUICK_ROWS, QUICK_FILES = 5_000_000, 10
MAX_BYTES = 60  # 6 GB for 100 million rows.
COLUMNS = ["user", "item", "category", "time", "click"]


def lines(runner):
    rows, files = (QUICK_ROWS, QUICK_FILES) if runner.quick else (ROWS, FILES)
    rows = runner.log_rows or rows
    folder = runner.folder / "many_files"
    kinds = ("parquet", "csv") if runner.quick else ("parquet",)
    for kind in kinds:
        words = {"folder": folder / kind, "kind": kind, "rows": rows, "files": files}
        run_task("rows.many_files", "write", timeout=3600, **words)
    tasks = [("read", kind) for kind in kinds]
    tasks += [("one_frame", "parquet")] * runner.quick
    tasks += [("prepare", "parquet")]
    for task, kind in tasks:
        result = run_task("rows.many_files", task, folder=folder / kind, timeout=7200)
        per_row = result["bytes"] / rows
        yield Line(
            "many_files",
            f"{task} {rows:,} rows of {files} files, {kind}, rows/s",
            f"{rows / result['seconds']:,.0f}",
            result=f"{per_row:.0f} bytes per row at the peak",
            goal=f"at most {MAX_BYTES} bytes per row" if task != "one_frame" else "",
            met=per_row <= MAX_BYTES if task != "one_frame" else None,
        )


def write(folder: str, kind: str, rows: int, files: int, seed: int = 0) -> dict:
    """Writes a log in files of consecutive times, with strings of 12 letters.

    One user in ten rows and one item in fifty, by a power law, and a thousand categories.
    """
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    rng = np.random.default_rng(seed)
    users, items = _names("u", rows // 10), _names("i", rows // 50)
    categories = _names("c", 1000)
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    for number, count in enumerate(np.diff(np.linspace(0, rows, files + 1).astype(int))):
        item = (len(items) * rng.random(count) ** 2).astype(np.int64)
        table = pa.table(
            {
                "user": users.take(pa.array((len(users) * rng.random(count) ** 2).astype(int))),
                "item": items.take(pa.array(item)),
                "category": categories.take(pa.array(item % 1000)),
                "time": np.sort(rng.integers(0, 86_400, count)) + 1_700_000_000 + number * 86_400,
                "click": rng.integers(0, 2, count),
                "title": items.take(pa.array(item)),
            }
        )
        path = folder / f"{number:03d}.{kind}"
        pa.parquet.write_table(table, path) if kind == "parquet" else pa.csv.write_csv(table, path)
    return {}


def _names(prefix: str, count: int):
    import pyarrow as pa

    return pa.array(np.char.mod(f"{prefix}%011x", np.arange(count) * 2_654_435_761 % 2**44))


def read(folder: str) -> dict:
    """Reads the files with `read_table`."""
    from keras_din.data.reading.table import read_table

    options = {"kinds": dict.fromkeys(COLUMNS[:3], "categorical"), "numbers": COLUMNS[3:]}
    return _measure(lambda: read_table(folder, COLUMNS, **options))


def one_frame(folder: str) -> dict:
    """Reads the files into one `DataFrame` of pandas."""
    import pandas as pd

    return _measure(lambda: pd.read_parquet(folder, columns=COLUMNS))


def prepare(folder: str) -> dict:
    """Prepares the files as impressions."""
    from keras_din.data import prepare_impressions

    columns = {"user": "user", "time": "time", "label": "click", "target": ["item", "category"]}
    return _measure(lambda: prepare_impressions(folder, **columns))


def _measure(function) -> dict:
    before, start = resident_memory(), time.perf_counter()
    function()
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "bytes": peak_memory() - before}


if __name__ == "__main__":
    task_main(write=write, read=read, one_frame=one_frame, prepare=prepare)
