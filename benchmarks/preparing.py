"""A raw log in files, and the time to prepare it: what `keras-din prepare` does."""

import contextlib
import io
import pathlib
import time

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from electronics import USERS, events, lengths
from measuring import peak_memory
from process import answer


def write(folder: str, users: int = USERS, seed: int = 0) -> dict:
    """Writes the log of Electronics' shape as `log.parquet` and `log.csv`, in random order.

    Users and items are strings as Amazon's, 14 and 10 characters; times are whole days.
    """
    rng = np.random.default_rng(seed)
    log = events(rng, lengths(rng, users))
    rows = rng.permutation(len(log.item))
    user = np.repeat(np.arange(users), np.diff(log.offsets))[rows]
    names = lambda form, numbers: pa.array(np.char.mod(form, numbers))  # noqa: E731
    table = pa.table(
        {
            "user": names("A%013X", user),
            "item": names("B%09d", log.item[rows]),
            "category": names("c%d", log.category[rows]),
            "time": rng.integers(12_000, 16_000, len(rows)) * 86_400,
        }
    )
    folder = pathlib.Path(folder)
    folder.mkdir(exist_ok=True)
    pa.parquet.write_table(table, folder / "log.parquet")
    pa.csv.write_csv(table, folder / "log.csv")
    return {"rows": len(rows)}


def prepare(log: str, folder: str) -> dict:
    """The seconds of the command from its words to what it wrote, and the process' peak."""
    import keras_din.data  # noqa: F401  Part of the start, which is not timed here.
    from keras_din.cli import parser

    words = ["prepare", log, folder, "--user", "user", "--time", "time", "--time-unit", "s"]
    options = parser().parse_args([*words, "--target", "item,category"])
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        options.function(options)
    return {"seconds": time.perf_counter() - start, "memory": peak_memory()}


if __name__ == "__main__":
    answer(write=write, prepare=prepare)
