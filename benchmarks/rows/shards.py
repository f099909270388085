"""shards: a log of 3 million rows prepared in 64 shards by each engine, and a worker's start.

The log is that of `many_files`, in 10 Parquet files. `whole` is `prepare_impressions` and its
`save`, without shards. `pandas` and `duckdb` are the engines of `prepare_shards`; `duckdb` has
`memory_limit="500MB"`. `spark` is `local[2]` with a driver of 4 GB; its time is without the start
of the session. Seconds of CPU and memory, the proportional set size, are those of the process and
its children; memory is that before, after the import and the start of a session, and at the peak.
`count_times`, `count_rows` and `write_shard` are the three readings of the shards, without the
files. `worker` loads shards and one shuffled batch of 1024. `--log-rows` sets the number of rows.
"""

import os
import sys
import time

from harness.memory import PeakTreeMemory, anonymous_memory, tree_cpu_seconds, tree_memory
from harness.process import TaskFailed, run_task, task_main
from harness.table import Line

ROWS, QUICK_ROWS, FILES, SHARDS = 3_000_000, 200_000, 10, 64
COLUMNS = {"user": "user", "time": "time", "label": "click", "target": ["item", "category"]}
ENGINES = ("whole", "pandas", "duckdb", "spark")


def lines(runner):
    rows = runner.log_rows or (QUICK_ROWS if runner.quick else ROWS)
    folder = runner.folder / "shards"
    log = {"folder": folder / "log", "kind": "parquet", "rows": rows, "files": FILES}
    run_task("rows.many_files", "write", timeout=3600, **log)
    for engine in ENGINES:
        yield from _of_engine(engine, log["folder"], folder / engine, rows)
        if engine == "pandas":
            yield from _of_workers(folder / engine)


def _of_engine(engine: str, log, folder, rows: int):
    case = f"{engine}, {rows:,} rows of {FILES} files, rows/s"
    options = {"log": log, "folder": folder, "engine": engine}
    try:
        found = run_task("rows.shards", "prepare", timeout=7200, **options)
    except TaskFailed as error:
        yield Line("shards", case, "failed", result=str(error))
        return
    result = f"{found['seconds']:.0f} s, {found['cpu']:.0f} of CPU; {_memory(found)}"
    yield Line("shards", case, f"{rows / found['seconds']:,.0f}", result=result)
    for name, seconds in found["reads"].items():
        share = f"{100 * seconds / found['seconds']:.0f} % of the time"
        yield Line("shards", f"{engine}, {name}, s", f"{seconds:.1f}", result=share)


def _of_workers(folder):
    for count in (1, 4, SHARDS):
        found = run_task("rows.shards", "worker", folder=folder, count=count)
        grown = f"{found['anonymous'] / 1e6:,.0f} MB of anonymous memory more"
        result = f"{found['rows']:,} rows, {grown}, {_memory(found)}; "
        result += f"first batch {found['batch']:.2f} s"
        yield Line(
            "shards", f"worker, 1 of {count}, load, s", f"{found['load']:.2f}", result=result
        )


def _memory(found: dict) -> str:
    return f"{found['before'] / 1e6:,.0f} MB before, {found['peak'] / 1e6:,.0f} MB at the peak"


def prepare(log: str, folder: str, engine: str) -> dict:
    """Prepares the log with an engine.

    Returns:
        A dict with `seconds`, those of `cpu`, memory `before` and at its `peak`, in bytes, and in
        `reads` the seconds of each reading of the shards.
    """
    from keras_din.data.sharded import prepare_shards

    reads: dict[str, float] = {}
    if engine == "pandas":
        for name in ("count_times", "count_rows", "write_shard"):
            setattr(prepare_shards, name, _timed(getattr(prepare_shards, name), name, reads))
    run = {"whole": _whole, "spark": _spark}.get(engine, _shards)
    start, end = run(log, folder, engine)
    before, cpu = tree_memory(), tree_cpu_seconds()
    with PeakTreeMemory() as peak:
        started = time.perf_counter()
        start()
        seconds = time.perf_counter() - started
        cpu = tree_cpu_seconds() - cpu
    end()
    memory = {"before": before, "peak": peak.bytes}
    return {"seconds": seconds, "cpu": cpu, "reads": reads} | memory


def _timed(function, name: str, seconds: dict):
    def run(*arguments):
        start = time.perf_counter()
        result = function(*arguments)
        seconds[name] = seconds.get(name, 0) + time.perf_counter() - start
        return result

    return run


def _whole(log: str, folder: str, engine: str) -> tuple:
    from keras_din.data import prepare_impressions

    return lambda: prepare_impressions(log, **COLUMNS).save(folder), lambda: None


def _shards(log: str, folder: str, engine: str) -> tuple:
    from keras_din.data import prepare_shards

    limit = {"memory_limit": "500MB"} if engine == "duckdb" else {}
    options = COLUMNS | {"engine": engine} | limit
    return lambda: prepare_shards(log, folder, SHARDS, **options), lambda: None


def _spark(log: str, folder: str, engine: str) -> tuple:
    os.environ |= {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as F

    from keras_din.data.spark import prepare_impressions

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.memory", "4g")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    rows = session.read.parquet(log).withColumn("line", F.monotonically_increasing_id())
    options = COLUMNS | {"shards": SHARDS, "line": "line"}
    return lambda: prepare_impressions(rows, folder, **options), session.stop


def worker(folder: str, count: int, batch_size: int = 1024) -> dict:
    """Loads the shards of the first of `count` workers, and a batch.

    Returns:
        A dict with the seconds to `load` and to the first `batch`, `rows`, memory `before` and at
        its `peak`, and the growth of `anonymous` memory, in bytes.
    """
    from keras_din.data import load_shards

    before, anonymous = tree_memory(), anonymous_memory()
    with PeakTreeMemory() as peak:
        start = time.perf_counter()
        data = load_shards(folder, 0, count)
        loaded = time.perf_counter()
        grown = anonymous_memory() - anonymous
        next(iter(data.dataset("train", batch_size, shuffle=True)))
        end = time.perf_counter()
    return {
        "load": loaded - start,
        "batch": end - loaded,
        "rows": len(data.parts["train"]),
        "before": before,
        "peak": peak.bytes,
        "anonymous": grown,
    }


if __name__ == "__main__":
    task_main(prepare=prepare, worker=worker)
