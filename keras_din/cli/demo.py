"""Demonstrate all steps: train popularity, base and DIN, compare them, export and query DIN.

There are two data sets: real impressions of a short-video feed, which the package contains
(KuaiRand, Gao et al. 2022, CC BY-SA 4.0), and a synthetic log with a known click law, so that the
best possible metrics are known. On the synthetic log the click rate depends on counts of the
history, which attention does not have: DIN ranks nearly perfectly, but its probabilities are off.
So a second DIN has features with these counts. Runs are written to runs/demo/, versions to
exported_models/, both in the current folder.

  keras-din demo
  keras-din demo --data synthetic
"""

import pathlib
import time

from keras_din.cli.phases import phase
from keras_din.cli.show import metrics_table
from keras_din.count_text import count_text

# Arguments of `train` for all models of a data set, and arguments of the builders of base and DIN.
# KuaiRand has the defaults with fewer epochs. The synthetic log requires no regularization.
SETTINGS: dict[str, dict] = {
    "kuairand": {"epochs": 3, "patience": 1},
    "synthetic": {
        "epochs": 3,
        "batch_size": 512,
        "learning_rate": 5e-3,
        "mini_batch_aware_l2": 0,
        "patience": 1,
    },
}
OPTIONS: dict[str, dict] = {
    "kuairand": {},
    "synthetic": {"hidden_units": [64], "dropout": 0},
}
MODELS = ("popularity", "base", "din")
# DIN on the synthetic log with features of the history, which needs more epochs.
COUNTS = "din_counts"
COUNTS_SETTINGS = {"epochs": 8, "monitor": "logloss"}
COUNTS_NOTE = (
    f"{COUNTS}: DIN that also has the number of distinct categories in the history (HistorySize) "
    "and whether the candidate's category is one of them (Match)"
)


def add_arguments(parser):
    """Adds the arguments of the command."""
    parser.add_argument(
        "--data",
        choices=(*SETTINGS, "both"),
        default="both",
        help="the impressions of KuaiRand in the package, a synthetic log, or both (default both)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of weights, row order and synthetic log"
    )


def run(options) -> dict:
    """Trains, compares, exports and queries models for each data set; returns their metrics."""
    started = time.perf_counter()
    names = list(SETTINGS) if options.data == "both" else [options.data]
    found = {name: compare(name, options.seed) for name in names}
    print(f"total time: {time.perf_counter() - started:.0f} s")
    return found


def compare(name: str, seed: int) -> dict:
    """Runs all steps for one data set; returns the metrics of each model, and the version."""
    from keras_din.cli.training_progress import TrainingProgress
    from keras_din.data import load_kuairand, synthetic_log
    from keras_din.evaluation import predict
    from keras_din.metrics import gauc_difference
    from keras_din.serving import export
    from keras_din.training import read_arguments, train

    print(f"\n== {name} ==")
    with phase("load the data"):
        data = load_kuairand() if name == "kuairand" else synthetic_log(seed=seed)
    print(data.spec)
    print(data)
    folder = _new_folder(pathlib.Path("runs") / "demo" / name)
    rows, scores = {}, {}
    for model in (*MODELS, *[COUNTS] * (name == "synthetic")):
        print(f"\n-- {model}")
        start = time.perf_counter()
        options = {} if model == "popularity" else OPTIONS[name]
        if model in ("din", COUNTS):
            options = options | {"attention_units": [32]}
        settings, own = SETTINGS[name], data
        if model == COUNTS:
            settings, own = settings | COUNTS_SETTINGS, _with_counts(data)
        kind = "din" if model == COUNTS else model
        with phase("train") as show:
            settings = settings | {"callbacks": [TrainingProgress(show)], "verbose": 2}
            run = train(own, folder / model, model=kind, options=options, seed=seed, **settings)
        rows[model] = run.result["test"] | {
            "monitor": read_arguments(run.folder)["arguments"]["monitor"],
            "seconds": f"{time.perf_counter() - start:.0f}",
        }
        scores[model] = predict(run.model, own.dataset("test", 4096)).predictions
        if model == "din":
            din = run
    best = data.report.get("best_reachable", {}).get("test")
    if best:
        rows["best reachable"] = best | {"monitor": None, "seconds": None}
    test = rows["din"]
    print(
        f"\n{name}, seed {seed}: test of {count_text(test['rows'], 'row')}; "
        f"GAUC over {count_text(test['groups'], 'user')} weighted by impressions; "
        f"left out: {count_text(test['groups_left_out'], 'user')} with one class"
    )
    print(metrics_table(rows))
    if COUNTS in rows:
        print(COUNTS_NOTE)
    samples = data.parts["test"]
    for model, other in (("din", "base"), (COUNTS, "din")):
        if model in scores:
            difference, error = gauc_difference(
                samples.label, scores[model], scores[other], samples.group
            )
            print(
                f"GAUC of {model} minus GAUC of {other}: {difference:+.4f}, "
                f"standard error {error:.4f}"
            )
    with phase("export, and check it in another process"):
        version = export(din.model, data.spec, f"exported_models/{name}_din", metrics=din.result)
    print(f"\nexported: {version}")
    query(version, data)
    return {"metrics": rows, "version": str(version)}


def _with_counts(data):
    """Returns the synthetic log with features that a model computes from the history."""
    import dataclasses

    from keras_din import HistorySize, Match

    size = HistorySize("categories", in_="hist", of="cate_id")
    seen = Match("category_seen", of="cate_id", in_="hist")
    spec = dataclasses.replace(data.spec, context=[size], target=[*data.spec.target, seen])
    return dataclasses.replace(data, spec=spec)


def query(version, data, candidates: int = 5) -> None:
    """Scores candidates of one test user with the SavedModel and only TensorFlow."""
    import numpy as np
    import pandas as pd
    import tensorflow as tf

    from keras_din.data import dataset
    from keras_din.serving.sample_rows import raw_from_input

    samples = data.parts["test"][_rows_to_query(data, candidates)]
    ((x, y),) = dataset(data.spec, data.behaviors, samples)
    request = {}
    for name, info in data.spec.inputs.items():
        values = np.asarray(x[name])
        # The signature takes one row per candidate, without the model's candidate axis.
        values = values[:, 0] if info.role == "target" else values
        request[name] = raw_from_input(info.feature, values)
    score = tf.saved_model.load(str(version)).signatures["serving_default"]
    (output,) = data.spec.outputs
    answer = score(**{name: tf.constant(values) for name, values in request.items()})
    table = pd.DataFrame({f.name: request[f.name] for f in data.spec.target})
    table[output] = answer[output].numpy()
    table["clicked"] = np.asarray(y)[:, 0].astype(int)
    table = table.sort_values(output, ascending=False)
    print("a request, scored with the SavedModel and TensorFlow alone (raw values of the log):")
    for name, info in data.spec.inputs.items():
        if info.role != "target":
            print(f"  {name}: {request[name][0].tolist()}")
    print(table.to_string(index=False, float_format="{:.4f}".format))


def _rows_to_query(data, candidates: int):
    """Rows of the first test user with a short history, a click and a candidate without one."""
    import numpy as np

    samples = data.parts["test"]
    start, end = samples.history["hist"]
    for user in np.unique(samples.group):
        rows = np.flatnonzero(samples.group == user)[:candidates]
        lengths = (end - start)[rows]
        if lengths.min() >= 3 and lengths.max() <= 20 and 0 < samples.label[rows].mean() < 1:
            return rows
    return np.arange(min(candidates, len(samples)))


def _new_folder(path: pathlib.Path) -> pathlib.Path:
    """`path`, or the first of `path-2`, `path-3`, ... that does not exist."""
    number, folder = 2, path
    while folder.exists():
        folder, number = path.with_name(f"{path.name}-{number}"), number + 1
    return folder
