"""Popularity, base and DIN on real logs: one table of metrics, mean and spread over seeds.

    python examples/compare_on_real_data.py kuairand
    python examples/compare_on_real_data.py beauty --folder data/amazon2014 --seeds 3

Each model is trained with early stopping on the GAUC of validation; the test part is looked at
once a run, with the weights that were best on validation. A run that was interrupted goes on where
it stopped when the same command is given again.
"""

import argparse
import itertools
import pathlib

import numpy as np
import pandas as pd

from keras_din.data import load_amazon, load_globo, load_kuairand
from keras_din.metrics import rela_impr
from keras_din.training import train

MODELS = ("popularity", "base", "din")
COLUMNS = ("gauc", "auc", "logloss", "ne", "calibration", "ece")

# How to load each data set, and what is the same for all its models.
DATA = {
    "kuairand": (load_kuairand, {"epochs": 8, "batch_size": 512}),
    "beauty": (lambda folder: load_amazon(folder, "beauty"), {"epochs": 10}),
    "sports": (lambda folder: load_amazon(folder, "sports"), {"epochs": 10}),
    "globo": (load_globo, {"epochs": 2, "by_request": True}),
    "globo-hour": (lambda folder: load_globo(folder, negatives="hour"), {"epochs": 2}),
}


def compare(data, folder: pathlib.Path, seeds: int, settings: dict) -> pd.DataFrame:
    """Trains every model with every seed; returns a line a run."""
    lines = []
    for seed in range(seeds):
        for model in MODELS:
            run = train(
                data,
                folder / f"{model}-{seed}",
                model=model,
                seed=seed,
                resume=(folder / f"{model}-{seed}" / "run.json").exists(),
                verbose=0,
                **settings,
            )
            metrics = {name: run.result["test"][name] for name in COLUMNS}
            line = {"model": model, "seed": seed, "valid gauc": run.result["valid"]["gauc"]}
            lines.append(line | metrics)
            print(f"{model} seed {seed}: " + ", ".join(f"{k} {v:.4f}" for k, v in metrics.items()))
    return pd.DataFrame(lines)


def table(lines: pd.DataFrame) -> str:
    """Mean and standard deviation over seeds, and the relative improvement over base."""
    by_model = lines.groupby("model", sort=False)
    columns = ["valid gauc", *COLUMNS]
    text = by_model[columns].mean().map("{:.4f}".format)
    if lines["seed"].nunique() > 1:
        text += " ± " + by_model[columns].std().map("{:.4f}".format)
    auc = by_model["auc"].mean()
    text["RelaImpr"] = [f"{rela_impr(value, auc['base']):+.2%}" for value in auc]
    return text.to_string()


def in_order(lines: pd.DataFrame) -> str:
    """How often each model beats the one before it in GAUC on test, seed by seed."""
    gauc = lines.pivot(index="seed", columns="model", values="gauc")
    wins = [
        f"{a} < {b}: {int((gauc[a] < gauc[b]).sum())} of {len(gauc)}, "
        f"by {np.mean(gauc[b] - gauc[a]):+.4f}"
        for a, b in itertools.pairwise(MODELS)
    ]
    return "GAUC on test, seed by seed: " + "; ".join(wins)


def main(words=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", choices=tuple(DATA))
    parser.add_argument("--folder", help="of the data set (kuairand: the packaged slice)")
    parser.add_argument("--seeds", type=int, default=3, help="how many (default 3)")
    parser.add_argument("--runs", default="runs/real", help="where runs are kept")
    parser.add_argument("--epochs", type=int, help="the most epochs")
    options = parser.parse_args(words)
    load, settings = DATA[options.data]
    if options.folder is None and options.data != "kuairand":
        parser.error(f"{options.data} does not come with the package: say where it is by --folder")
    if options.epochs:
        settings = settings | {"epochs": options.epochs}
    data = load(options.folder)
    print(data)
    lines = compare(data, pathlib.Path(options.runs) / options.data, options.seeds, settings)
    test = data.report["parts"]["test"]
    print(f"\n{options.data}: test of {test['rows']:,} rows, {options.seeds} seeds, {settings}")
    print("GAUC: AUC of each user, weighted by impressions; users of one class left out")
    print(table(lines))
    print(in_order(lines))


if __name__ == "__main__":
    main()
