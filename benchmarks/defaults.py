"""Which defaults of training hold on every data set: activation, dropout, regularization, and more.

    python benchmarks/defaults.py DATA... --folder FOLDER --write defaults.jsonl
    python benchmarks/defaults.py --read defaults.jsonl

FOLDER holds the data sets `amazon2014/`, `globo/`, `kuairand/` and `movielens-small/`. Each run is
`keras_din.training.train` with its defaults but for the setting: batch 1024, LazyAdam with learning
rate 1e-3, at most 10 epochs, patience 2. One line of JSON per run is appended to the file; a run
that the file has is not run again. The table has the test metrics of the weights that validation
chose, how much the logloss of validation rises from there to the last epoch, and the calibration
on validation.
"""

import argparse
import inspect
import json
import pathlib
import tempfile
import time
import zlib

import keras
import numpy as np
import pandas as pd

import keras_din as kd
from examples.loaders.recut_amazon import load_recut_amazon
from keras_din.data.datasets.movielens import PAPER_SPLIT
from keras_din.training import train

WORDS = ("data", "model", "setting", "seed")
# Name -> arguments of the builder (those that it has), and of `train`.
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


def _globo(folder, share=10):
    """Every tenth user of Globo, by a hash, with negatives of the same hour."""
    from examples.loaders.globo import _CONTEXT, hour_negatives

    columns = ["user_id", "item_id", "category_id", "ts", *_CONTEXT]
    log = pd.read_parquet(folder / "globo" / "clicks.parquet", columns=columns)
    log = log[[zlib.crc32(str(user).encode()) % share == 0 for user in log["user_id"]]]
    log = log.reset_index(drop=True)
    log["negative_id"] = hour_negatives(log, np.random.default_rng(0))
    return kd.data.prepare_interactions(
        log,
        user="user_id",
        time="ts",
        target=["item_id", "category_id"],
        context=list(_CONTEXT),
        negatives="negative_id",
    )


DATA = {
    "kuairand": lambda folder: kd.data.load_kuairand(folder / "kuairand"),
    "beauty": lambda folder: load_recut_amazon(folder / "amazon2014", "beauty"),
    "sports": lambda folder: load_recut_amazon(folder / "amazon2014", "sports"),
    "movielens": lambda folder: kd.data.load_movielens(
        folder / "movielens-small", split=kd.data.ByUser(valid=0.1, test=PAPER_SPLIT.test)
    ),
    "globo-hour": _globo,
    "synthetic": lambda folder: kd.data.synthetic_log(),
}


def run(data, model: str, setting: str, seed: int) -> dict:
    """One training: the metrics of validation after each epoch, and the result of the run."""
    keras.utils.clear_session()
    options, words = SETTINGS[setting]
    known = inspect.signature(kd.MODELS[model]).parameters
    options = {name: value for name, value in options.items() if name in known}
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        result = train(
            data, folder, model=model, options=options, seed=seed, verbose=0, **words
        ).result
        seconds = time.perf_counter() - start
        valid = pd.read_csv(pathlib.Path(folder) / "metrics.csv")
    return {
        "evaluations": json.loads(valid.to_json(orient="records")),
        **result,
        "seconds": seconds,
    }


def table(file: pathlib.Path) -> str:
    """The runs of a file: mean and standard deviation over seeds, one line per setting."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    rows = [
        "| data | model | setting | seeds | GAUC | logloss | calibration "
        "| calibration on validation | rise of logloss | best epoch |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    groups = {}
    for line in lines:
        groups.setdefault(tuple(line[word] for word in WORDS[:3]), []).append(line)
    for words, runs in sorted(groups.items()):
        figures = [[r["test"][name] for r in runs] for name in ("gauc", "logloss", "calibration")]
        figures.append([r["evaluations"][_best(r)]["calibration"] for r in runs])
        figures.append(
            [r["evaluations"][-1]["logloss"] - r["evaluations"][_best(r)]["logloss"] for r in runs]
        )
        cells = [f"{np.mean(f):.4f} ± {np.std(f, ddof=len(f) > 1):.4f}" for f in figures]
        cells.append("/".join(f"{_best(r)} of {len(r['evaluations']) - 1}" for r in runs))
        rows.append(f"| {' | '.join(map(str, [*words, len(runs), *cells]))} |")
    return "\n".join(rows)


def _best(line: dict) -> int:
    """Which of the evaluations of a run its weights are of; 0 is the one before training."""
    steps = [entry["step"] for entry in line["evaluations"]]
    return steps.index(line["best_step"])


def main(words=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="*", choices=(*DATA, []), help=", ".join(DATA))
    parser.add_argument("--folder", type=pathlib.Path, help="folder of the data sets")
    parser.add_argument("--model", choices=tuple(kd.MODELS), default="din")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--write", type=pathlib.Path, default=pathlib.Path("defaults.jsonl"))
    parser.add_argument("--read", type=pathlib.Path, help="show the table of this file")
    options = parser.parse_args(words)
    if options.read:
        print(table(options.read))
        return
    done = set()
    if options.write.exists():
        lines = map(json.loads, options.write.read_text().splitlines())
        done = {tuple(line[word] for word in WORDS) for line in lines}
    for name in options.data:
        data = DATA[name](options.folder)
        for seed in options.seeds:
            for setting in options.settings:
                words = (name, options.model, setting, seed)
                if words in done:
                    continue
                result = dict(zip(WORDS, words, strict=True))
                result |= run(data, options.model, setting, seed)
                with open(options.write, "a", encoding="utf-8") as file:
                    file.write(json.dumps(result) + "\n")
                chosen = {name: result["test"][name] for name in ("gauc", "logloss", "calibration")}
                print(*words, {k: round(v, 4) for k, v in chosen.items()}, flush=True)


if __name__ == "__main__":
    main()
