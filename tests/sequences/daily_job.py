"""What a trainer does each day, as a job that is started again if it was killed.

As a program, it starts jobs in children and kills them:
`python -m tests.sequences.daily_job < commands`. Each line is a dict in JSON, see `answer`.
"""

import functools
import json
import mmap
import os
import pathlib
import shutil
import signal
import sys
import time
import types

import tensorflow as tf

from keras_din.cli import main as command
from keras_din.data import append_to_folder, prepare_impressions, prepare_interactions
from keras_din.serving import apply_delta
from keras_din.serving.checks import parity, parity_process
from keras_din.serving.version.folders import versions
from keras_din.training import train
from tests.data.prepare.shared import a_day

DAYS = 3
# Events of `sys.audit` that change files.
_CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.copyfile")


def log(day: int, kind: str):
    """The log of a day, in which items are born: `"impressions"` or `"behaviors"`."""
    if kind == "impressions":
        return a_day(day, rows=40, users=5, items=6)
    return a_day(day, rows=40, users=5, items=24)[["user", "time", "item"]]


def start(root: pathlib.Path, kind: str) -> None:
    """Prepares the first day, trains a run and gives the server its first version."""
    options = {"user": "user", "time": "time", "target": ["item"], "dim": 2, "min_count": 2}
    if kind == "impressions":
        data = prepare_impressions(log(0, kind), label="click", **options)
    else:
        data = prepare_interactions(log(0, kind), **options)
    data.save(root / "data")
    train(data, root / "run", model="lr", epochs=1, batch_size=16, verbose=0)
    command(["export", str(root / "run"), str(root / "trainer")])
    (newest,) = versions(root / "trainer")
    shutil.copytree(root / "trainer" / str(newest), root / "server" / str(newest))


def days_of_version(version: pathlib.Path) -> int:
    """The number of days that the model of a version has learned from."""
    return len(json.loads((version / "keras_din.json").read_text())["metrics"].get("days", []))


def job(root: pathlib.Path, kind: str, days: int, report) -> None:
    """Does what each day requires that was not done before, up to a day.

    Args:
        root: The folder that `start` wrote to.
        kind: The kind of the log.
        days: The last day.
        report: Called with the name of each step.
    """
    data, run, trainer, server = (root / name for name in ("data", "run", "trainer", "server"))
    for day in range(1, days + 1):
        served = versions(server)[-1]
        if days_of_version(server / str(served)) >= day:
            continue
        report("append")
        append_to_folder(data, log(day, kind), max_values=8 if kind == "impressions" else 24)
        report("update")
        command(["update", str(run), str(data), "--quiet"])
        report("export")
        newer = sum(number > served for number in versions(trainer))
        words = ["--delta", str(served), "--keep", str(newer + 2)]
        command(["export", str(run), str(trainer), *words])
        report("apply")
        newest = versions(trainer)[-1]
        apply_delta(server, trainer / f"{newest}.delta", keep=2)
    report("end")


def answer(request: dict) -> dict:
    """Runs a job in a child, and kills it.

    Args:
        request: `root`; `kind`; `days`, or `None` for `start`; `seconds` or `operation`, the time
            or the number of the change of a file before which the child is killed, or neither.

    Returns:
        `killed`; the `step` and the number of changes of files, and the last `change` that began.
    """
    root = pathlib.Path(request["root"])
    shared = mmap.mmap(-1, 4096)
    shared[:] = b"start\n0\n".ljust(len(shared), b"\0")
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _in_child(root, request, shared)
    try:
        seconds = request.get("seconds")
        while seconds is not None and time.monotonic() - began < seconds:
            if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                break
            time.sleep(0.002)
        if seconds is not None:
            os.kill(child, signal.SIGKILL)  # Not waited for yet, so this number is that child.
    finally:
        _, status = os.waitpid(child, 0)
    step, changes, change = shared[:].rstrip(b"\0").decode().split("\n")
    if status not in (0, signal.SIGKILL):
        raise RuntimeError(f"The job failed in {step}, {change}: status {status}.")
    return {
        "killed": status == signal.SIGKILL,
        "step": step,
        "changes": int(changes),
        "change": change,
        "seconds": time.monotonic() - began,
    }


def _in_child(root: pathlib.Path, request: dict, shared) -> None:
    found = {"step": "start", "changes": 0, "change": ""}

    def write() -> None:
        text = "\n".join(map(str, found.values())).encode()
        shared[:] = text.ljust(len(shared), b"\0")

    def report(step: str) -> None:
        found["step"] = step
        write()

    def audit(event: str, arguments) -> None:
        if event == "open":
            path, _, flags = arguments
            if not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        elif event in _CHANGES:
            path = arguments[0]
        else:
            return
        if isinstance(path, (str, os.PathLike)) and str(root) in os.fspath(path):
            found["changes"] += 1
            found["change"] = f"{event} {pathlib.Path(path).relative_to(root)}"
            write()
            if found["changes"] == request.get("operation"):
                os.kill(os.getpid(), signal.SIGKILL)

    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.addaudithook(audit)
        parity.subprocess = types.SimpleNamespace(run=_check_here)
        # The graph optimizer and AutoGraph take half of the time of a job.
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
        tf.function = functools.partial(tf.function, autograph=False)
        without_autograph = tf.autograph.experimental.do_not_convert
        if request["days"] is None:
            without_autograph(start)(root, request["kind"])
        else:
            without_autograph(job)(root, request["kind"], request["days"], report)
        os._exit(0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        os._exit(1)


def _check_here(words, **options):
    """Scores the sample rows of an export in this process: another one would take seconds."""
    *_, job_file, answers_file = words
    content = json.loads(pathlib.Path(job_file).read_text(encoding="utf-8"))
    cases = [(name, parity_process.read(inputs)) for name, inputs in content["cases"]]
    answers = {
        "functions": parity_process.by_functions(content["folder"], cases),
        "session": parity_process.by_session(content["folder"], cases),
    }
    pathlib.Path(answers_file).write_text(json.dumps(answers), encoding="utf-8")
    return types.SimpleNamespace(returncode=0)


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
