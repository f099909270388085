"""Each measurement in a process of its own: clean memory, a known peak, no neighbor."""

import json
import os
import pathlib
import signal
import subprocess
import sys

FOLDER = pathlib.Path(__file__).parent
_MARK = "RESULT "


class Failed(Exception):
    """A measurement that did not come about, and why."""


def ask(
    module: str,
    task: str,
    *,
    python: str = sys.executable,
    timeout: float = 300,
    environment: dict | None = None,
    **options,
):
    """What a task of a module of this folder gives, in a new process.

    Args:
        module: Its name, such as `"peers.din_keras"`.
        task: One of the tasks that it answers.
        python: The interpreter.
        timeout: Seconds after which it is ended.
        environment: Variables of its environment, beside or instead of those that keep it on the
            CPU and on TensorFlow.
        **options: The arguments of the task, values that JSON takes.

    Raises:
        Failed: When the process ends without an answer.
    """
    variables = {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": str(FOLDER.parent),
    }
    environment = os.environ | variables | (environment or {})
    words = [python, "-m", module, json.dumps({"task": task, **options}, default=str)]
    try:
        done = subprocess.run(
            words,
            cwd=FOLDER,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"took longer than {timeout:.0f} s") from None
    # A library may print as well, even after it.
    answers = [line for line in done.stdout.splitlines() if line.startswith(_MARK)]
    if done.returncode == 0 and answers:
        return json.loads(answers[-1].removeprefix(_MARK))
    if done.returncode < 0:
        raise Failed(f"ended by {signal.Signals(-done.returncode).name}, as where memory is short")
    errors = [line for line in done.stderr.splitlines() if line.strip()]
    raise Failed(errors[-1][:200] if errors else f"ended with {done.returncode}")


def answer(**tasks) -> None:
    """Prints what the task of the command line gives. For `if __name__ == "__main__"`."""
    options = json.loads(sys.argv[1])
    print("\n" + _MARK + json.dumps(tasks[options.pop("task")](**options)), flush=True)
