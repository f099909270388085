"""A process with another backend of Keras, which runs many scripts: each import takes seconds."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent
# JAX compiles each model. Code that is not optimized is compiled in two thirds of the time.
FAST_COMPILER = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"

LOOP = """
import contextlib, json, sys, traceback
import keras

answers = sys.stdout
for line in sys.stdin:
    script, *sys.argv[1:] = json.loads(line)
    error = ""
    keras.backend.clear_session()
    with contextlib.redirect_stdout(sys.stderr):
        try:
            exec(script, {"__name__": "__main__"})
        except BaseException:
            error = traceback.format_exc()
    print(json.dumps(error), file=answers, flush=True)
"""


@contextlib.contextmanager
def backend_process(backend: str):
    """Starts a process with this backend of Keras.

    Yields a function `run(script, *words)`, which runs a script in the process. The script finds
    the backend and the words in `sys.argv[1:]`. An exception in the script is an `AssertionError`.
    """
    with subprocess.Popen(
        [sys.executable, "-c", LOOP],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": backend, "XLA_FLAGS": FAST_COMPILER},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:

        def run(script, *words):
            process.stdin.write(json.dumps([script, backend, *map(str, words)]) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
            assert answer, f"The process of {backend} ended."
            error = json.loads(answer)
            assert not error, error[-2000:]

        yield run
