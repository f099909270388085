"""Recipes of several workers. Only that of two processes is run; the others need a cluster."""

import os
import pathlib
import subprocess

import pytest

import keras_din as kd
from keras_din.training import load_run

RECIPES = pathlib.Path(__file__).parent.parent.parent / "examples" / "distributed"


@pytest.mark.parametrize("name", ["two_processes.sh", "slurm.sh"])
def test_shell_syntax(name):
    subprocess.run(["bash", "-n", RECIPES / name], check=True, timeout=60)


def test_two_processes(tmp_path):
    data = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=2, dim=2)
    data.save(tmp_path / "data")
    command = [RECIPES / "two_processes.sh", tmp_path / "data", tmp_path / "run", "--model", "lr"]
    environment = {name: value for name, value in os.environ.items() if name != "TF_CONFIG"}
    options = {"timeout": 400, "env": environment, "cwd": RECIPES.parents[1]}
    subprocess.run([*command, "--epochs", "1"], check=True, **options)
    assert load_run(tmp_path / "run").result["test"]["rows"] == 40
