"""Trains DIN with several settings on several data sets, to choose the defaults of training.

    python -m benchmarks.training_defaults DATA... --folder FOLDER --write defaults.jsonl
    python -m benchmarks.training_defaults --read defaults.jsonl

Run it from the root of the repository. FOLDER has the folders of the data sets, `amazon2014/`,
`globo/`, `kuairand/` and `movielens-small/`. Each run is `keras_din.training.train` with its
defaults except for the setting: batch 1024, LazyAdam with learning rate 1e-3, at most 10 epochs,
patience 2. Each run appends one line of JSON to the file; a run that is in the file is not
repeated. The table has the test metrics of the weights that validation chose, how much the logloss
of validation rises from there to the last epoch, and the calibration on validation.
"""

import argparse
import inspect
import json
import pathlib
import tempfile
import time

import keras
import numpy as np
import pandas as pd

import keras_din as kd
from examples.loaders.globo import load_globo
from examples.loaders.recut_amazon import load_recut_amazon
from keras_din.data.datasets.movielens import PAPER_SPLIT
from keras_din.training import train

KEYS = ("data", "model", "setting", "seed")  # What identifies a run.
# Name -> arguments of the builder, of which it gets those that it has, and of `train`.
SETTINGS = {
    f"{activation}, dropout {dropout}, mba {strength}": (
        {"activation": activation, "dropout": dropout},
        {"mini_batch_aware_l2": strength},
    )
    for activation in ("dice", "relu")
    for dropout in (0.0, 0.3)
    for strength in (0.0, 0.1)
}
SETTINGS |= {
    "relu, dropout 0.3, mba 0.1, no softmax": (
        {"activation": "relu", "dropout": 0.3, "weight_normalization": False},
        {"mini_batch_aware_l2": 0.1},
    ),
    "relu, dropout 0.3, mba 0.1, averaged": (
        {"activation": "relu", "dropout": 0.3},
        {"mini_batch_aware_l2": 0.1, "ema_momentum": 0.99},
    ),
    "relu, dropout 0.3, mba 0.03": (
        {"activation": "relu", "dropout": 0.3},
        {"mini_batch_aware_l2": 0.03},
    ),
    "relu, dropout 0.3, mba 0.01": (
        {"activation": "relu", "dropout": 0.3},
        {"mini_batch_aware_l2": 0.01},
    ),
}
DATA = {
    "kuairand": lambda folder: kd.data.load_kuairand(folder / "kuairand"),
    "beauty": lambda folder: load_recut_amazon(folder / "amazon2014", "beauty"),
    "sports": lambda folder: load_recut_amazon(folder / "amazon2014", "sports"),
    "movielens": lambda folder: kd.data.load_movielens(
        folder / "movielens-small", split=kd.data.ByUser(valid=0.1, test=PAPER_SPLIT.test)
    ),
    "globo-hour": lambda folder: load_globo(
        folder / "globo", negatives="hour", every_nth_user=10, dim=16
    ),
    "synthetic": lambda folder: kd.data.synthetic_log(),
}


def run(data, model: str, setting: str, seed: int) -> dict:
    """Trains once. Returns the result of the run and the metrics of validation after each epoch."""
    keras.utils.clear_session()
    options, arguments = SETTINGS[setting]
    parameters = inspect.signature(kd.MODELS[model]).parameters
    options = {name: value for name, value in options.items() if name in parameters}
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        result = train(
            data, folder, model=model, options=options, seed=seed, verbose=0, **arguments
        ).result
        seconds = time.perf_counter() - start
        valid = pd.read_csv(pathlib.Path(folder) / "metrics.csv")
    return {
        "evaluations": json.loads(valid.to_json(orient="records")),
        **result,
        "seconds": seconds,
    }


def table(file: pathlib.Path) -> str:
    """Returns the table of a file: mean and standard deviation over seeds, one line per setting."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    rows = [
        "| data | model | setting | seeds | GAUC | logloss | calibration "
        "| calibration on validation | rise of logloss | best epoch |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    groups = {}
    for line in lines:
        groups.setdefault(tuple(line[key] for key in KEYS[:3]), []).append(line)
    for names, runs in sorted(groups.items()):
        figures = [[r["test"][name] for r in runs] for name in ("gauc", "logloss", "calibration")]
        figures.append([r["evaluations"][_best(r)]["calibration"] for r in runs])
        figures.append(
            [r["evaluations"][-1]["logloss"] - r["evaluations"][_best(r)]["logloss"] for r in runs]
        )
        cells = [f"{np.mean(f):.4f} ± {np.std(f, ddof=len(f) > 1):.4f}" for f in figures]
        cells.append("/".join(f"{_best(r)} of {len(r['evaluations']) - 1}" for r in runs))
        rows.append(f"| {' | '.join(map(str, [*names, len(runs), *cells]))} |")
    return "\n".join(rows)


def _best(line: dict) -> int:
    """Index of the evaluation whose weights the run kept. 0 is the one before training."""
    steps = [entry["step"] for entry in line["evaluations"]]
    return steps.index(line["best_step"])


def main(words=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="*", choices=(*DATA, []), help=", ".join(DATA))
    parser.add_argument("--folder", type=pathlib.Path, help="where the data sets are")
    parser.add_argument("--model", choices=tuple(kd.MODELS), default="din")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--write", type=pathlib.Path, default=pathlib.Path("defaults.jsonl"))
    parser.add_argument("--read", type=pathlib.Path, help="only print the table of this file")
    options = parser.parse_args(words)
    if options.read:
        print(table(options.read))
        return
    done = set()
    if options.write.exists():
        lines = map(json.loads, options.write.read_text().splitlines())
        done = {tuple(line[key] for key in KEYS) for line in lines}
    for name in options.data:
        data = DATA[name](options.folder)
        for seed in options.seeds:
            for setting in options.settings:
                key = (name, options.model, setting, seed)
                if key in done:
                    continue
                result = dict(zip(KEYS, key, strict=True))
                result |= run(data, options.model, setting, seed)
                with open(options.write, "a", encoding="utf-8") as file:
                    file.write(json.dumps(result) + "\n")
                chosen = {name: result["test"][name] for name in ("gauc", "logloss", "calibration")}
                print(*key, {k: round(v, 4) for k, v in chosen.items()}, flush=True)


if __name__ == "__main__":
    main()
