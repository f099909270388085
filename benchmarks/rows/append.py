"""append: one day of 1 million rows appended to prepared logs of 10 and of 100 million rows.

The logs are impressions, or the same rows as behaviors, for which a negative is drawn per row. The
base data is one log of 10 million rows. Further logs of 10 million rows are appended as days.
Users, items and categories are strings of 12 letters. There is a user for each hundred rows of the
base data, and an item for each hundred impressions or ten behaviors. New items come every day.
Histories have 20 behaviors. A task appends one
day to the folder, from the Parquet file to the written day, in a process of its own. In short, all
numbers of rows are a hundredth of that.
"""

import pathlib
import shutil
import time

import numpy as np
from harness.process import run_task, task_main
from harness.table import Line

BASE, DAY, TIMES = 10_000_000, 1_000_000, 10
ROWS_PER_USER, ROWS_PER_ITEM = 100, {"impressions": 100, "behaviors": 10}
COLUMNS = {"user": "user", "time": "time", "target": ["item", "category"], "max_length": 20}


def lines(runner):
    share = 100 if runner.quick else 1
    base, day = BASE // share, DAY // share
    for kind in ROWS_PER_ITEM:
        folder = runner.folder / f"append_{kind}"
        results = []
        for times in (1, TIMES):
            options = {"folder": folder, "kind": kind}
            run_task("rows.append", "grow", rows=base, times=times, timeout=7200, **options)
            result = run_task("rows.append", "append", rows=day, timeout=3600, **options)
            results.append(result["seconds"])
            yield Line(
                "append",
                f"{day:,} {kind} onto {base * times:,}, s",
                f"{result['seconds']:.1f}",
            )
        ratio = results[1] / results[0]
        yield Line(
            "append",
            f"{kind} onto {base * TIMES:,} over onto {base:,}",
            f"{ratio:.2f}x",
            goal="at most 1.3x",
            met=ratio <= 1.3,
        )


def grow(folder: str, rows: int, times: int, kind: str) -> dict:
    """Makes the data of one log of `rows` rows, and appends such logs until there are `times`."""
    from keras_din.data import append_to_folder

    folder = pathlib.Path(folder)
    folder.mkdir(exist_ok=True)
    log, data = folder / "log.parquet", folder / "data"
    for number in range(int(data.exists()), times):
        write_log(log, rows, number, rows, kind)
        if number:
            append_to_folder(data, log)
        else:
            _prepared(log, kind).save(data)
    return {}


def _prepared(log: pathlib.Path, kind: str):
    from keras_din.data import prepare_impressions, prepare_interactions

    if kind == "impressions":
        return prepare_impressions(log, label="click", **COLUMNS)
    return prepare_interactions(log, **COLUMNS)


def append(folder: str, rows: int, kind: str) -> dict:
    """Measures the append of a day to a copy of the folder, whose files are links."""
    from keras_din.data import append_to_folder

    folder = pathlib.Path(folder)
    log, data = folder / "day.parquet", folder / "copy"
    write_log(log, rows, TIMES, rows * (BASE // DAY), kind)
    link = lambda a, b: pathlib.Path(b).hardlink_to(a)  # noqa: E731
    shutil.copytree(folder / "data", data, copy_function=link)
    start = time.perf_counter()
    append_to_folder(data, log)
    seconds = time.perf_counter() - start
    shutil.rmtree(data)
    return {"seconds": seconds}


def write_log(file: pathlib.Path, rows: int, number: int, base: int, kind: str) -> None:
    """Writes the log of a day: users and items by a power law, a hundredth of the items is new.

    Args:
        file: The new file.
        rows: The number of its rows.
        number: The number of the day.
        base: The number of rows of the base data.
        kind: `"impressions"` or `"behaviors"`.
    """
    import pyarrow as pa
    import pyarrow.parquet

    rng = np.random.default_rng(number)
    users, items = base // ROWS_PER_USER, base // ROWS_PER_ITEM[kind]
    user = (users * rng.random(rows) ** 2).astype(np.int64)
    item = (items * rng.random(rows) ** 2).astype(np.int64) + items * number // 100
    table = pa.table(
        {
            "user": _names("u", user),
            "item": _names("i", item),
            "category": _names("c", item % 1000),
            "time": np.sort(rng.integers(0, 86_400, rows)) + 1_700_000_000 + number * 86_400,
            "click": rng.integers(0, 2, rows),
        }
    )
    pa.parquet.write_table(table, file)


def _names(prefix: str, numbers):
    """Strings of 12 letters."""
    import pyarrow as pa

    distinct, index = np.unique(numbers, return_inverse=True)
    names = pa.array(np.char.mod(f"{prefix}%011x", distinct * 2_654_435_761 % 2**44))
    return names.take(pa.array(index))


if __name__ == "__main__":
    task_main(grow=grow, append=append)
