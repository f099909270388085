"""Trains one run on the workers of Ray Train: `python ray_train.py DATA RUN [--workers N]`.

DATA is a folder that `keras-din prepare` wrote, RUN the folder of the run. Both must be on a file
system that all machines of the Ray cluster share. Ray starts the workers, gives each of them the
addresses of all by `TF_CONFIG`, and starts all of them again if one fails. The run then resumes.

It needs `pip install 'ray[train]'`. Without `--address`, Ray starts on this machine alone.
"""

import argparse
import pathlib

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.tensorflow import TensorflowTrainer


def train_worker(config: dict) -> None:
    """Runs on each worker."""
    import keras_din as kd
    from keras_din.data import PreparedData
    from keras_din.training import train

    strategy = kd.distributed.connect()  # Reads TF_CONFIG.
    folder = pathlib.Path(config["run"])
    resume = (folder / "run.json").is_file()
    with kd.distributed.scope_of(strategy):
        run = train(
            PreparedData.load(config["data"]),
            folder,
            model=config["model"],
            epochs=config["epochs"],
            resume=resume,
            verbose=0,
        )
        if kd.distributed.is_chief():
            metrics = {name: round(run.result["test"][name], 4) for name in ("gauc", "logloss")}
            print("test:", metrics)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--model", default="din")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--address", help="of a Ray cluster (default: start Ray on this machine)")
    options = parser.parse_args()
    if options.address:
        ray.init(options.address)
    else:
        ray.init(num_cpus=options.workers, include_dashboard=False, _node_ip_address="127.0.0.1")
    config = {
        "data": str(options.data.resolve()),
        "run": str(options.run.resolve()),
        "model": options.model,
        "epochs": options.epochs,
    }
    trainer = TensorflowTrainer(
        train_worker,
        train_loop_config=config,
        scaling_config=ScalingConfig(num_workers=options.workers),
        run_config=RunConfig(
            storage_path=str(options.run.resolve().parent),
            name=f"{options.run.name}.ray",
            failure_config=FailureConfig(max_failures=3),
        ),
    )
    trainer.fit()


if __name__ == "__main__":
    main()
