"""Runs each measurement in a new process, so that the peak of memory is that of one measurement."""

import json
import os
import pathlib
import signal
import subprocess
import sys

FOLDER = pathlib.Path(__file__).parents[1]
_RESULT_PREFIX = "RESULT "


class TaskFailed(Exception):
    """A measurement gave no result. The text is the reason."""


def run_task(
    module: str,
    task: str,
    *,
    python: str = sys.executable,
    timeout: float = 300,
    environment: dict | None = None,
    **options,
):
    """Runs a task of a module below `benchmarks/` in a new process and returns its result.

    Args:
        module: Name of the module, such as `"peers.din_keras"`.
        task: One of the tasks that the module passes to `task_main`.
        python: The interpreter.
        timeout: Seconds after which the process is killed.
        environment: Variables of the process. They are added to, or replace, the defaults: the
            TensorFlow backend on the CPU.
        **options: Arguments of the task, as JSON values.

    Raises:
        TaskFailed: If the process ends without a result.
    """
    defaults = {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": str(FOLDER.parent),
    }
    command = [python, "-m", module, json.dumps({"task": task, **options}, default=str)]
    try:
        done = subprocess.run(
            command,
            cwd=FOLDER,
            env=os.environ | defaults | (environment or {}),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TaskFailed(f"took longer than {timeout:.0f} s") from None
    # Libraries print to the standard output too, some of them when the process ends.
    results = [line for line in done.stdout.splitlines() if line.startswith(_RESULT_PREFIX)]
    if done.returncode == 0 and results:
        return json.loads(results[-1].removeprefix(_RESULT_PREFIX))
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise TaskFailed(f"killed by {name}; a likely reason is lack of memory")
    errors = [line for line in done.stderr.splitlines() if line.strip()]
    raise TaskFailed(errors[-1][:200] if errors else f"exit status {done.returncode}")


def task_main(**tasks) -> None:
    """Runs the task that the command line names and prints its result for `run_task`.

    A module with tasks calls it under `if __name__ == "__main__"`.
    """
    options = json.loads(sys.argv[1])
    result = tasks[options.pop("task")](**options)
    print("\n" + _RESULT_PREFIX + json.dumps(result), flush=True)
