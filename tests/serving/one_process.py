"""One process that checks many exports, because importing TensorFlow takes seconds each time."""

import contextlib
import json
import os
import subprocess
import sys
import types

import pytest

from keras_din.serving.checks import parity, parity_process

SCRIPT = """
import importlib.util, json, sys, traceback

spec = importlib.util.spec_from_file_location("parity_process", sys.argv[1])
parity_process = importlib.util.module_from_spec(spec)
spec.loader.exec_module(parity_process)
by_functions = parity_process.by_functions

def without_graph_optimizer(folder, cases):
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    return by_functions(folder, cases)

parity_process.by_functions = without_graph_optimizer
for line in sys.stdin:
    error = ""
    try:
        parity_process.main(*json.loads(line))
    except Exception:
        error = traceback.format_exc()
    print(json.dumps(error), flush=True)
"""


@contextlib.contextmanager
def checking_process():
    """Starts a process that checks exports, isolated and with TensorFlow only.

    It does not optimize graphs, which takes longer than scoring a few rows. The exports with a
    process of their own are optimized, as for users.

    Yields a replacement of `subprocess.run`, for `check_exports_with`.
    """
    with subprocess.Popen(
        [sys.executable, "-I", "-c", SCRIPT, parity_process.__file__],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:

        def run(words, **options):
            process.stdin.write(json.dumps(words[-2:]) + "\n")
            process.stdin.flush()
            error = json.loads(process.stdout.readline())
            return subprocess.CompletedProcess(words, int(bool(error)), stderr=error)

        yield run


@contextlib.contextmanager
def check_exports_with(run):
    """A context in which `kd.export` uses this process. The checks themselves do not change."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "subprocess", types.SimpleNamespace(run=run))
        yield
