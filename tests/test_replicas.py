"""`fit` on two replicas equals `fit` on one, and a step reads no whole table."""

import os
import pathlib
import subprocess
import sys

import pytest


def check(*cases):
    done = subprocess.run(
        [sys.executable, "-m", "tests.two_replicas", *cases],
        cwd=pathlib.Path(__file__).parent.parent,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split("\n")[:-1] == [f"passed {case}" for case in cases]


def test_two_replicas_equal_one():
    """Weights of rows, L2 per row, clipping, averages; the epochs have the same orders."""
    check("base")


@pytest.mark.parametrize(
    "cases",
    [
        ("reads:no_averages", "reads:shards", "shards"),
        ("labels", "keras_loss"),
        ("reads:din", "din", "reads:dien", "dien"),
        ("reads:bst", "bst"),
    ],
    ids=lambda cases: cases[-1],
)
def test_other_models_on_two_replicas(cases):
    """Reads of tables, shards, Dice over all replicas, several labels, all optimizers."""
    check(*cases)
