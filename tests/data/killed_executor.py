"""Prepares a log with executor processes of Spark, and kills one of them meanwhile.

As a program: `python -m tests.data.killed_executor FOLDER`. It reads `log.parquet` and
`options.json` of the folder, and writes `data` there, from two threads at the same time, so all
tasks run twice. It prints how many shards were complete when the executor was killed.
"""

import json
import os
import pathlib
import signal
import sys
import threading
import time

import pyspark
from pyspark.sql import SparkSession

import keras_din as kd

SHARDS = 8
_EXECUTOR = b"org.apache.spark.executor.CoarseGrainedExecutorBackend"


def main(folder: pathlib.Path) -> None:
    """Runs two jobs in one session, and kills an executor."""
    spark = start_spark(folder)
    try:
        log = spark.read.parquet(str(folder / "log.parquet"))
        options = json.loads((folder / "options.json").read_text(encoding="utf-8"))
        headers: list[dict] = []

        def prepare():
            headers.append(
                kd.data.spark.prepare_interactions(
                    log, folder / "data", shards=SHARDS, line="line", **options
                )
            )

        jobs = [threading.Thread(target=prepare, daemon=True) for _ in range(2)]
        for job in jobs:
            job.start()
        complete = []
        while not complete and any(job.is_alive() for job in jobs):
            time.sleep(0.005)
            complete = list((folder / "data").glob("shard-?????-of-?????"))
        before = executors()
        os.kill(before[0], signal.SIGKILL)
        for job in jobs:
            job.join()
        assert len(headers) == 2, "a job failed"
        assert headers[0] == headers[1]
        print(json.dumps({"complete": len(complete), "executors": len(before)}))
        assert {*executors()} - {*before}, "Spark has started another executor"
    finally:
        spark.stop()


def start_spark(folder: pathlib.Path) -> SparkSession:
    """Starts two executors, whose files are in `folder/spark` and not beside the package."""
    home, package = folder / "spark", pathlib.Path(pyspark.__file__).parent
    home.mkdir()
    for path in package.iterdir():
        (home / path.name).symlink_to(path)
    os.environ |= {"SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1"}
    os.environ["PYSPARK_PYTHON"] = sys.executable
    return (
        SparkSession.builder.master("local-cluster[2,1,1024]")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.sql.adaptive.coalescePartitions.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.scheduler.mode", "FAIR")
        .config("spark.speculation", "true")
        .config("spark.speculation.quantile", "0.1")
        .config("spark.speculation.multiplier", "1.1")
        .getOrCreate()
    )


def executors() -> list:
    """The ids of the executor processes that this process or its children have started."""
    found, parents = [], {}
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            status = (path / "stat").read_text(encoding="utf-8", errors="replace")
            command = (path / "cmdline").read_bytes()
        except OSError:  # The process has ended.
            continue
        parents[int(path.name)] = int(status.rpartition(")")[2].split()[1])
        if _EXECUTOR in command:
            found.append(int(path.name))
    return sorted(pid for pid in found if _is_below(pid, parents))


def _is_below(pid: int, parents: dict) -> bool:
    while pid in parents:
        if pid == os.getpid():
            return True
        pid = parents[pid]
    return False


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
