"""Measures what features of times, counts, matches and vectors add to ids.

    python -m examples.features kuairand globo-hour --folder FOLDER --seeds 0 1 2
    python -m examples.features --read

Run it from the root of the repository. FOLDER has the folders of the data sets, `amazon2014/`,
`globo/`, `kuairand/` and `movielens-small/`. Each model is trained by `keras_din.training.train`
with its defaults, except that logloss on validation chooses the weights: GAUC by user misleads for
features of the user's own past, see RESULTS.md. The sets of features were chosen before any test
part was evaluated, and each run evaluates it once. Each run writes a line of JSON and its scores to
`runs/features`; a run that is there is not repeated.

The tables have mean and standard deviation over seeds, and for each set the difference of GAUC
from ids only on the same rows. The error of a difference is `sqrt(s^2 + d^2 / seeds)`: `s` is the
mean over seeds of the standard error over users, `d` the standard deviation over seeds.
"""

import argparse
import json
import pathlib
import tempfile
import time

import keras
import numpy as np

import keras_din as kd
from examples.features.sets import LOADERS, SETS
from examples.saved_runs import compared, file_name, read
from keras_din.evaluation import predict
from keras_din.training import train

METRICS = ("gauc", "auc", "logloss", "calibration")
KEYS = ("data", "model", "features", "seed")  # What identifies a run.


def run(data, model: str, seed: int) -> tuple:
    """Trains once. Returns the metrics of the test part with the time per step, and the scores."""
    keras.utils.clear_session()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        trained = train(data, folder, model=model, seed=seed, monitor="logloss", verbose=0)
        seconds = time.perf_counter() - start
        rows = data.dataset("test", 4096)
        scores = predict(trained.model, rows).predictions
        text = (pathlib.Path(folder) / "metrics.csv").read_text().splitlines()
    steps = int(dict(zip(text[0].split(","), text[-1].split(","), strict=True))["step"])
    outcome = {name: trained.result["test"][name] for name in METRICS}
    outcome["valid gauc"] = trained.result["valid"]["gauc"]
    outcome |= {"best_step": trained.result["best_step"], "steps": steps, "seconds": seconds}
    found = {
        "scores": scores,
        "labels": np.concatenate([y for _, y, *_ in rows.as_numpy_iterator()]),
    }
    return outcome, found | {"groups": rows.groups}


def difference(folder: pathlib.Path, more: dict, less: dict) -> tuple:
    """Returns the difference of GAUC of two runs of a seed, and its error over users."""
    scores = [np.load(folder / f"{file_name(line, KEYS)}.npz") for line in (more, less)]
    more, less = (each["scores"].ravel() for each in scores)
    return kd.metrics.gauc_difference(scores[0]["labels"].ravel(), more, less, scores[0]["groups"])


def table(lines: list, folder: pathlib.Path) -> str:
    """Returns the table of one data set."""
    rows = [
        "| model | features | seeds | GAUC on validation | GAUC | AUC | logloss | calibration "
        "| GAUC less ids only | in errors | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    groups = {}
    for line in lines:
        groups.setdefault((line["model"], line["features"]), {})[line["seed"]] = line
    order = {name: i for i, name in enumerate(SETS)}
    for (model, features), runs in sorted(groups.items(), key=lambda g: (g[0][0], order[g[0][1]])):
        names = ("valid gauc", *METRICS)
        figures = [[line[name] for line in runs.values()] for name in names]
        cells = [f"{np.mean(f):.4f} ± {np.std(f, ddof=len(f) > 1):.4f}" for f in figures]
        base = groups.get((model, "ids"), {})
        pairs = [(runs[seed], base[seed]) for seed in runs if seed in base and features != "ids"]
        cells += ["", ""]
        if pairs:
            cells[-2:] = compared([difference(folder, *pair) for pair in pairs])
        cells.append(f"{np.mean([line['seconds'] for line in runs.values()]):.0f}")
        rows.append(f"| {' | '.join(map(str, [model, features, len(runs), *cells]))} |")
    return "\n".join(rows)


def main(words=None) -> None:
    """Trains what is not trained yet, and prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="*", choices=(*LOADERS, []), help=", ".join(LOADERS))
    parser.add_argument("--folder", type=pathlib.Path, help="where the data sets are")
    parser.add_argument("--models", nargs="+", choices=tuple(kd.MODELS), default=["base", "din"])
    parser.add_argument("--features", nargs="+", choices=tuple(SETS), default=list(SETS)[:4])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--runs", type=pathlib.Path, default=pathlib.Path("runs/features"))
    parser.add_argument("--read", action="store_true", help="only print the tables")
    options = parser.parse_args(words)
    options.runs.mkdir(parents=True, exist_ok=True)
    file = options.runs / "runs.jsonl"
    done = {tuple(line[key] for key in KEYS) for line in read(file)}
    for name in () if options.read else options.data:
        for features in options.features:
            data = None
            for model in options.models:
                for seed in options.seeds:
                    key = (name, model, features, seed)
                    if key in done:
                        continue
                    data = data or LOADERS[name](
                        options.folder, SETS[features](name, options.folder)
                    )
                    line = dict(zip(KEYS, key, strict=True))
                    outcome, scores = run(data, model, seed)
                    line |= outcome
                    np.savez(options.runs / f"{file_name(line, KEYS)}.npz", **scores)
                    with open(file, "a", encoding="utf-8") as lines:
                        lines.write(json.dumps(line) + "\n")
                    print(*key, {m: round(line[m], 4) for m in METRICS}, flush=True)
    lines = read(file)
    for name in dict.fromkeys(line["data"] for line in lines):
        print(f"\n{name}\n\n{table([x for x in lines if x['data'] == name], options.runs)}")


if __name__ == "__main__":
    main()
