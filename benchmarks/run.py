"""Measures speed and memory of training, ranking and data preparation, and prints one table.

    python benchmarks/run.py                                    # all rows
    python benchmarks/run.py --quick                            # a minute: few cases, short runs
    python benchmarks/run.py --peers FOLDER                     # with DeepCTR and FuxiCTR
    python benchmarks/run.py --rows training start              # some rows
    python benchmarks/run.py --rows many_files --log-rows 1000000

peers/install.py makes FOLDER. Each measurement runs in a new process, one after the other. Ours
and the peers' of one case are adjacent. Each is the median of three runs after a warm-up. The
model is DIN with 64 dimensions for item and for category, attention units 80-40, top 80-40,
sigmoids, float32, on the CPU. The speed of a machine drifts: compare figures of one run.
"""

import argparse
import datetime
import os
import pathlib
import platform
import sys
import tempfile
import time

from harness.process import TaskFailed
from harness.runner import Runner
from harness.table import Line, markdown
from rows import (
    append,
    counts,
    grouped,
    history,
    inference,
    input,
    long,
    many_files,
    prepare,
    serving,
    shards,
    start,
    streamed,
    table_shards,
    training,
    vocabulary,
)

# Name of a row in the option --rows -> its module, in the order of the table.
ROWS = {
    "training": training,
    "vocabulary": vocabulary,
    "table_shards": table_shards,
    "history": history,
    "inference": inference,
    "long": long,
    "grouped": grouped,
    "serving": serving,
    "input": input,
    "prepare": prepare,
    "many_files": many_files,
    "shards": shards,
    "append": append,
    "counts": counts,
    "streamed": streamed,
    "start": start,
}
QUICK = ("training", "vocabulary", "start")


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a minute: few cases, short runs")
    parser.add_argument("--peers", metavar="FOLDER", help="folder of the peers' environments")
    parser.add_argument(
        "--rows", nargs="+", choices=list(ROWS), metavar="ROW", help=", ".join(ROWS)
    )
    parser.add_argument(
        "--log-rows",
        type=int,
        metavar="N",
        help="rows of the log of `many_files` (default 100 million, with --quick 5 million) and "
        "`shards` (default 3 million, with --quick 200,000)",
    )
    parser.add_argument("--write", metavar="FILE", help="Markdown file to write the table to")
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    names = options.rows or (QUICK if options.quick else list(ROWS))
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(folder, options.peers, options.quick, options.log_rows)
        lines = [Line(peer, reason) for peer, reason in runner.unavailable.items()]
        for name in names:
            lines += measure(name, runner)
        if not runner.matrix_rates:
            runner.matrix_rate()
    text = report(lines, names, runner, time.perf_counter() - started)
    print(text)
    if options.write:
        pathlib.Path(options.write).write_text(f"# Speed\n\n{text}\n", encoding="utf-8")
    return 0


def measure(name: str, runner: Runner) -> list:
    """Returns the lines of a row and prints each to the standard error when it is measured.

    After a failure, the row ends with a line that describes it.
    """
    lines = []
    try:
        for line in ROWS[name].lines(runner):
            lines.append(line)
            print("; ".join(cell for cell in line.cells if cell), file=sys.stderr, flush=True)
    except TaskFailed as error:
        lines.append(Line(name, "ours", result=f"failed: {error}", met=False))
        print(f"{name}: failed: {error}", file=sys.stderr, flush=True)
    return lines


def report(lines: list, names, runner: Runner, seconds: float) -> str:
    """Returns the table with machine, versions, command and the docstrings of the rows."""
    command = " ".join(["python benchmarks/run.py", *sys.argv[1:]])
    rates = sorted({min(runner.matrix_rates), max(runner.matrix_rates)})
    rates = " to ".join(f"{rate / 1e9:.0f}" for rate in rates)
    return "\n\n".join(
        [
            f"{datetime.date.today():%d %B %Y}, {machine()}. Products of matrices reached {rates} "
            f"GFLOP/s; the run took {seconds / 60:.1f} minutes.",
            ", ".join(f"{name} {version}" for name, version in sorted(runner.versions.items())),
            f"```bash\n{command}\n```",
            markdown(lines),
            *(ROWS[name].__doc__.strip() for name in names),
        ]
    )


def machine() -> str:
    """Returns processor, cores, memory, system and Python in one line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{processor()}, {cores} cores, {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}"
    )


def processor() -> str:
    """Returns the name of the processor."""
    info = pathlib.Path("/proc/cpuinfo")
    names = [
        line.split(":", 1)[1].strip()
        for line in (info.read_text().splitlines() if info.exists() else [])
        if line.startswith("model name")
    ]
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
