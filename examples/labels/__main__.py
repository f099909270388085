"""Compares one model per label with heads for several labels, on KuaiRand.

    python -m examples.labels --folder FOLDER --seeds 0 1 2
    python -m examples.labels --read

Run it from the root of the repository. FOLDER has KuaiRand's Parquet files, with the labels click,
long view and like. Without it the slice in the package is used, which has no likes.

Each model is trained by `keras_din.training.train` with its defaults. Validation of the first
label, click, chooses the weights, except for the models of one label. Rows with a long view without
a click (0.1 %), which a product cannot predict, are left out for all models. A fifth of the likes
has no click, so likes are no product. Each run evaluates the test part once. It writes a line of
JSON and its scores to `runs/labels`; a run that is there is not repeated.

The tables have mean and standard deviation over seeds, and the difference of GAUC from the model of
one label on the same rows. The error of a difference is `sqrt(s^2 + d^2 / seeds)`: `s` is the mean
over seeds of the standard error over users, `d` the standard deviation over seeds.
"""

import argparse
import dataclasses
import json
import pathlib
import tempfile
import time

import keras
import numpy as np
import pyarrow.parquet as pq

import keras_din as kd
from examples.saved_runs import compared, file_name, read
from keras_din.data.datasets.kuairand import FOLDER
from keras_din.evaluation import predict
from keras_din.outputs import by_output, metrics_by_output
from keras_din.training import train

METRICS = ("gauc", "auc", "logloss", "calibration")
KEYS = ("model", "label_weights", "seed")  # What identifies a run.
CLICK, LONG_VIEW, LIKE = "click", "long_view", "like"
ONE = "one model per label"
# Name -> the arguments of `train`, and whether a long view is given a click (ESMM).
MODELS = {
    ONE: ({"model": "din"}, False),
    "own heads": ({"model": "din"}, False),
    "shared bottom": ({"model": "multi_task", "options": {"head": "shared_bottom"}}, False),
    "MMoE": ({"model": "multi_task", "options": {"head": "mmoe"}}, False),
    "PLE": ({"model": "multi_task", "options": {"head": "ple"}}, False),
    "ESMM": ({"model": "din"}, True),
    "MMoE, ESMM": ({"model": "multi_task", "options": {"head": "mmoe"}}, True),
    "PLE, ESMM": ({"model": "multi_task", "options": {"head": "ple"}}, True),
}


def load(folder: pathlib.Path | None, rows: int | None = None) -> kd.data.PreparedData:
    """Loads KuaiRand with its labels. `rows` is the largest number of rows per part, for tests."""
    has_likes = "is_like" in pq.read_schema((folder or FOLDER) / "impressions.parquet").names
    label = {CLICK: "is_click", kd.Label(LONG_VIEW, given=CLICK): LONG_VIEW}
    data = kd.data.load_kuairand(folder, label=label | ({LIKE: "is_like"} if has_likes else {}))
    if rows is None:
        return data
    return dataclasses.replace(data, parts={p: part[:rows] for p, part in data.parts.items()})


def with_labels(data, labels: list) -> kd.data.PreparedData:
    """Returns the data with some of its labels, which may be given another or not."""
    return dataclasses.replace(data, spec=dataclasses.replace(data.spec, labels=labels))


def datasets_of(data, model: str) -> list:
    """Returns the data of each model to train: one per label for single models."""
    plain = [dataclasses.replace(label, given=None) for label in data.spec.labels]
    if model == ONE:
        return [with_labels(data, [label]) for label in plain]
    return [data if MODELS[model][1] else with_labels(data, plain)]


def run(data, model: str, label_weights: str, seed: int, epochs: int | None) -> tuple:
    """Trains once. Returns the metrics of the test part by label, and scores by label."""
    arguments, _ = MODELS[model]
    outcome: dict = {"seconds": 0.0, "parameters": 0, "test": {}}
    found = {}
    for of_model in datasets_of(data, model):
        keras.utils.clear_session()
        if len(of_model.spec.labels) > 1:
            arguments = arguments | {"label_weights": label_weights}
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            trained = train(of_model, folder, **arguments, seed=seed, epochs=epochs, verbose=0)
        outcome["seconds"] += time.perf_counter() - start
        outcome["parameters"] += trained.model.count_params()
        rows = of_model.dataset("test", 4096)
        names = {label.output: label.name for label in of_model.spec.labels}
        metrics = metrics_by_output(trained.result["test"], names)
        found["groups"] = rows.groups
        for output, scores in by_output(predict(trained.model, rows).predictions, names).items():
            name = names[output]
            outcome["test"][name] = {metric: metrics[output][metric] for metric in METRICS}
            found |= {
                f"{name} scores": scores,
                f"{name} labels": of_model.parts["test"].labels[name],
            }
    return outcome, found


def difference(folder: pathlib.Path, label: str, more: dict, less: dict) -> tuple:
    """Returns the difference of GAUC of two runs of a seed, and its error over users."""
    more, less = (np.load(folder / f"{file_name(line, KEYS)}.npz") for line in (more, less))
    scores = (each[f"{label} scores"] for each in (more, less))
    return kd.metrics.gauc_difference(more[f"{label} labels"], *scores, more["groups"])


def table(lines: list, label: str, folder: pathlib.Path) -> str:
    """Returns the table of one label."""
    rows = [
        "| model | weights of labels | seeds | GAUC | AUC | logloss | calibration "
        "| GAUC less one model per label | in errors | parameters | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    groups: dict = {}
    for line in lines:
        groups.setdefault((line["model"], line["label_weights"]), {})[line["seed"]] = line
    base = groups.get((ONE, "fixed"), {})
    order = list(MODELS)
    for (model, weights), runs in sorted(
        groups.items(), key=lambda g: (order.index(g[0][0]), g[0])
    ):
        figures = [[line["test"][label][name] for line in runs.values()] for name in METRICS]
        cells = [f"{np.mean(f):.4f} ± {np.std(f, ddof=len(f) > 1):.4f}" for f in figures]
        pairs = [(runs[seed], base[seed]) for seed in runs if seed in base and model != ONE]
        gain = ["", ""]
        if pairs:
            gain = compared([difference(folder, label, *pair) for pair in pairs])
        first = next(iter(runs.values()))
        seconds = f"{np.mean([line['seconds'] for line in runs.values()]):.0f}"
        cells = [model, weights, len(runs), *cells, *gain, f"{first['parameters']:,}", seconds]
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(rows)


def main(words=None) -> None:
    """Trains what is not trained yet, and prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=pathlib.Path, help="KuaiRand (default: the slice)")
    parser.add_argument("--models", nargs="+", choices=tuple(MODELS), default=list(MODELS))
    parser.add_argument("--label-weights", choices=("fixed", "uncertainty"), default="fixed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, help="the largest number of epochs")
    parser.add_argument("--rows", type=int, help="rows per part, for a quick check")
    parser.add_argument("--runs", type=pathlib.Path, default=pathlib.Path("runs/labels"))
    parser.add_argument("--read", action="store_true", help="only print the tables")
    options = parser.parse_args(words)
    options.runs.mkdir(parents=True, exist_ok=True)
    file = options.runs / "runs.jsonl"
    done = {tuple(line[key] for key in KEYS) for line in read(file)}
    data = None if options.read else load(options.folder, options.rows)
    for model in () if options.read else options.models:
        for seed in options.seeds:
            # A model of one label has no weights to learn.
            key = (model, "fixed" if model == ONE else options.label_weights, seed)
            if key in done:
                continue
            outcome, scores = run(data, *key, options.epochs)
            line = dict(zip(KEYS, key, strict=True)) | outcome
            np.savez(options.runs / f"{file_name(line, KEYS)}.npz", **scores)
            with open(file, "a", encoding="utf-8") as lines:
                lines.write(json.dumps(line) + "\n")
            shown = {name: round(each["gauc"], 4) for name, each in outcome["test"].items()}
            print(*key, shown, flush=True)
    lines = read(file)
    for label in lines[0]["test"] if lines else ():
        print(f"\n{label}\n\n{table(lines, label, options.runs)}")


if __name__ == "__main__":
    main()
