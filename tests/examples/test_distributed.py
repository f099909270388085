"""Recipes of several workers. Those of one machine are run; the others need a cluster."""

import os
import pathlib
import subprocess

import keras
import pytest

import keras_din as kd
from keras_din.training import load_run

RECIPES = pathlib.Path(__file__).parent.parent.parent / "examples" / "distributed"


@pytest.mark.parametrize("name", ["two_processes.sh", "parameter_servers.sh", "slurm.sh"])
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


def test_parameter_servers(tmp_path):
    data = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=2, dim=2)
    data.save(tmp_path / "data")
    command = [RECIPES / "parameter_servers.sh", tmp_path / "data", tmp_path / "model.keras"]
    environment = {name: value for name, value in os.environ.items() if name != "TF_CONFIG"}
    environment |= {"CUDA_VISIBLE_DEVICES": "-1", "PYTHONPATH": str(RECIPES.parents[1])}
    subprocess.run([*command, "--epochs", "1"], check=True, timeout=500, env=environment)
    model = keras.saving.load_model(tmp_path / "model.keras")
    assert int(model.optimizer.iterations) == 1
