"""The benchmark: one command, one table.

    python benchmarks/run.py                                    # all rows
    python benchmarks/run.py --quick                            # a minute: few cases, short runs
    python benchmarks/run.py --peers FOLDER                     # beside DeepCTR and FuxiCTR
    python benchmarks/run.py --rows training start              # some rows

FOLDER is made by peers/install.py. Each measurement has a process of its own, one after the other,
ours and the peers' of one case next to each other; each is the median of three runs after a
warm-up. DIN, item 64 and category 64, attention 80-40, top 80-40, sigmoids, float32, CPU. Machines
are noisy: compare inside one run.
"""

import argparse
import datetime
import os
import pathlib
import platform
import sys
import tempfile
import time

from bench import Bench
from process import Failed
from rows import QUICK, ROWS
from table import Line, markdown


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a minute: few cases, short runs")
    parser.add_argument("--peers", metavar="FOLDER", help="the peers' environments")
    parser.add_argument(
        "--rows", nargs="+", choices=list(ROWS), metavar="ROW", help=", ".join(ROWS)
    )
    parser.add_argument("--write", metavar="FILE", help="a Markdown file for the table")
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    names = options.rows or (QUICK if options.quick else list(ROWS))
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(folder, options.peers, options.quick)
        lines = [Line(peer, reason) for peer, reason in bench.absent.items()]
        for name in names:
            lines += measured(name, bench)
        if not bench.rates:
            bench.matrix_rate()
    text = report(lines, names, bench, time.perf_counter() - started)
    print(text)
    if options.write:
        pathlib.Path(options.write).write_text(f"# Speed\n\n{text}\n", encoding="utf-8")
    return 0


def measured(name: str, bench) -> list:
    """The lines of a row, each said as it comes; what fails is the last of them."""
    lines = []
    try:
        for line in ROWS[name].lines(bench):
            lines.append(line)
            print("; ".join(cell for cell in line.cells if cell), file=sys.stderr, flush=True)
    except Failed as failed:
        lines.append(Line(name, "ours", result=f"failed: {failed}", met=False))
        print(f"{name}: failed: {failed}", file=sys.stderr, flush=True)
    return lines


def report(lines, names, bench, seconds: float) -> str:
    """The table with all that one must know to repeat it."""
    command = " ".join(["python benchmarks/run.py", *sys.argv[1:]])
    rates = " to ".join(
        f"{rate / 1e9:.0f}" for rate in sorted({min(bench.rates), max(bench.rates)})
    )
    said = "\n\n".join(ROWS[name].__doc__.strip() for name in names)
    return "\n\n".join(
        [
            f"{datetime.date.today():%d %B %Y}, {machine()}. Products of matrices reached {rates} "
            f"GFLOP/s; the run took {seconds / 60:.1f} minutes.",
            ", ".join(f"{name} {version}" for name, version in sorted(bench.versions.items())),
            f"```bash\n{command}\n```",
            markdown(lines),
            said,
        ]
    )


def machine() -> str:
    """Processor, cores, memory, system and Python."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{processor()}, {cores} cores, {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}"
    )


def processor() -> str:
    """Its name, where the system says it."""
    info = pathlib.Path("/proc/cpuinfo")
    names = [
        line.split(":", 1)[1].strip()
        for line in (info.read_text().splitlines() if info.exists() else [])
        if line.startswith("model name")
    ]
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
