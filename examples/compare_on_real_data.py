"""What popularity, a model without history, base and DIN reach on real logs: one table over seeds.

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

from keras_din.data import PreparedData, load_amazon, load_globo, load_kuairand
from keras_din.evaluation import predict
from keras_din.feature_spec import FeatureSpec
from keras_din.metrics import gauc_difference, rela_impr
from keras_din.training import train

COLUMNS = ("gauc", "auc", "logloss", "ne", "calibration", "ece")

# What each model is told on every data set; "no history" is base on a spec without sequences.
MODELS = {
    "popularity": {"learning_rate": 1e-2},
    "no history": {"options": {"activation": "relu"}},
    "base": {"options": {"activation": "relu"}},
    "din": {"options": {"activation": "relu", "attention_units": [40]}},
}
# How each data set is loaded, what its runs share, and further options of base and DIN.
PAIRS = {"by_request": True, "batch_size": 512, "epochs": 8, "patience": 1}
CLICKS = {"by_request": True, "batch_size": 1024, "epochs": 1, "evaluate_every": 500}
DATA = {
    "kuairand": (
        lambda folder: load_kuairand(folder, max_length=50),
        {"epochs": 5, "patience": 1},
        {"dropout": 0.3},
    ),
    "beauty": (lambda folder: load_amazon(folder, "beauty"), PAIRS, {}),
    "sports": (lambda folder: load_amazon(folder, "sports"), PAIRS, {}),
    "globo": (lambda folder: load_globo(folder, max_length=50), CLICKS, {}),
    "globo-hour": (
        lambda folder: load_globo(folder, negatives="hour", max_length=50),
        CLICKS,
        {},
    ),
}


def compare(data, folder: pathlib.Path, seeds: int, settings: dict, options: dict):
    """Trains every model with every seed.

    Returns a line a run, and for each seed how much more GAUC each model has than the one before
    it, with its standard error over users.
    """
    lines, differences = [], []
    by_request = settings.get("by_request", False)
    blind = PreparedData(
        FeatureSpec(context=data.spec.context, target=data.spec.target), {}, data.parts
    )
    for seed in range(seeds):
        scores = {}
        for model, of_model in MODELS.items():
            own = settings | of_model
            if "options" in own:
                own["options"] = own["options"] | options
            run_folder = folder / f"{model.replace(' ', '-')}-{seed}"
            its_data = blind if model == "no history" else data
            run = train(
                its_data,
                run_folder,
                model="base" if model == "no history" else model,
                seed=seed,
                resume=(run_folder / "run.json").exists(),
                verbose=0,
                **own,
            )
            test = its_data.dataset("test", 4096, by_request=by_request)
            scores[model] = predict(run.model, test)
            metrics = {name: run.result["test"][name] for name in COLUMNS}
            lines.append(
                {"model": model, "seed": seed, "valid gauc": run.result["valid"]["gauc"]} | metrics
            )
            print(f"{model} seed {seed}: " + ", ".join(f"{k} {v:.4f}" for k, v in metrics.items()))
        groups = np.repeat(test.groups, scores["din"].sizes)
        differences.append(
            {
                (better, worse): gauc_difference(
                    scores[better].labels,
                    scores[better].predictions,
                    scores[worse].predictions,
                    groups,
                )
                for worse, better in itertools.pairwise(MODELS)
            }
        )
    return pd.DataFrame(lines), differences


def table(lines: pd.DataFrame) -> str:
    """Mean and standard deviation over seeds, and the relative improvement over base."""
    by_model = lines.groupby("model", sort=False)
    columns = ["valid gauc", *COLUMNS]
    written = lambda frame: frame.apply(lambda column: column.map("{:.4f}".format))  # noqa: E731
    text = written(by_model[columns].mean())
    if lines["seed"].nunique() > 1:
        text += " ± " + written(by_model[columns].std())
    auc = by_model["auc"].mean()
    text["RelaImpr"] = [f"{rela_impr(value, auc['base']):+.2%}" for value in auc]
    return text.to_string()


def in_order(differences: list) -> str:
    """How much more GAUC each model has than the one before it, seed by seed."""
    lines = ["GAUC on test, more than the line before, with its standard error over users:"]
    for better, worse in differences[0]:
        of_seeds = [of_seed[better, worse] for of_seed in differences]
        text = ", ".join(f"{d:+.4f} ± {error:.4f}" for d, error in of_seeds)
        lines.append(f"  {better} - {worse}: {text}")
    return "\n".join(lines)


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
    load, settings, model_options = DATA[options.data]
    if options.folder is None and options.data != "kuairand":
        parser.error(f"{options.data} does not come with the package: say where it is by --folder")
    if options.epochs:
        settings = settings | {"epochs": options.epochs}
    data = load(options.folder)
    print(data)
    folder = pathlib.Path(options.runs) / options.data
    lines, differences = compare(data, folder, options.seeds, settings, model_options)
    test = data.report["parts"]["test"]
    print(f"\n{options.data}: test of {test['rows']:,} rows, {options.seeds} seeds, {settings}")
    print("GAUC: AUC of each user, weighted by impressions; users of one class left out")
    print(table(lines))
    print(in_order(differences))


if __name__ == "__main__":
    main()
