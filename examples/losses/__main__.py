"""Measures what a loss that ranks adds to the crossentropy: GAUC, and what calibration pays.

    python -m examples.losses kuairand
    python -m examples.losses beauty --folder AMAZON2014 --seeds 3

Run it from the root of the repository. The question was set before a test part was evaluated: does
the crossentropy plus a loss that ranks within a user raise the test GAUC of DIN by more than two
standard errors, and what does calibration pay?

All runs of a data set have the same model, learning rate, dropout and regularization. Each ranking
loss tries the weights of `--weights` with the first seed. The one with the highest GAUC on
validation is run with all seeds. Each run scores the test part once, with the weights of the model
that had the highest GAUC on validation. A command that was interrupted continues when it is
repeated.

On Beauty, Sports and Globo rows are requests of a positive and its drawn negatives, which share
user and time, so the ranking losses compare these. With one negative per positive,
`ListwiseSoftmax` equals `PairwiseLogistic` and is left out. On KuaiRand they compare the rows of a
user in a batch, and batches are by user. Its line `control` has such batches, and a ranking loss of
a weight of 1e-6: the difference to `crossentropy` is that of the batches.

The first table has mean and standard deviation over seeds. The second has differences from the
crossentropy, on the same rows and with the same seed: the mean over seeds and its error. The error
of GAUC is `sqrt(s^2 + d^2 / seeds)`: `s` is the mean over seeds of the standard error over users,
`d` the standard deviation over seeds. The errors of the others are `d / sqrt(seeds)`.
"""

import argparse
import dataclasses
import json
import pathlib

import numpy as np
import pandas as pd

from examples.reproduce import report, tuning
from examples.reproduce.entries import ENTRIES
from examples.reproduce.running import Job, run, scores_of
from examples.reproduce.sources import SOURCES, load

BASE, CONTROL = "crossentropy", "control"
LOSSES = ("pairwise_logistic", "listwise_softmax", "jrc")
_PAID = ("auc", "logloss", "calibration", "ece")


def main(words=None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m examples.losses",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("data", choices=tuple(SOURCES))
    add("--folder", help="folder of the data set (kuairand: packaged slice)")
    add("--model", default="din", choices=tuple(ENTRIES), help="(default din)")
    add("--losses", nargs="+", default=list(LOSSES), choices=LOSSES)
    add("--weights", nargs="+", type=float, default=[0.1, 0.3, 1.0], help="(default .1 .3 1)")
    add("--seeds", type=int, default=3, help="number of seeds (default 3)")
    add("--settings", help="chosen.json of examples.reproduce, with the setting of the model")
    add("--epochs", type=int, help="maximum number of epochs")
    add("--runs", default="runs/losses", help="folder of the runs and tables")
    options = parser.parse_args(words)
    source = SOURCES[options.data]
    if options.folder is None and not source.packaged:
        parser.error(f"{options.data} does not come with the package: --folder is required")
    if options.epochs is not None:
        source = dataclasses.replace(source, training=source.training | {"epochs": options.epochs})
    setting = tuning.settings(1, source.dropout)[0]
    if options.settings:
        setting = json.loads(pathlib.Path(options.settings).read_text())[options.model]
    data = load(source, options.folder, "honest")
    print(data, flush=True)
    folder = pathlib.Path(options.runs) / options.data
    job = Job(options.model, ENTRIES[options.model], source, data, folder)
    jobs = {BASE: job}
    if not source.training.get("by_request"):
        jobs[CONTROL] = with_loss(job, LOSSES[0], 1e-6)
    for loss in options.losses:
        if loss == "listwise_softmax" and has_pairs_only(data, source):
            print(f"{loss} is left out: it equals pairwise_logistic for two candidates", flush=True)
            continue
        jobs[loss] = best_weight(job, loss, options.weights, setting)
    runs, scores = [], {}
    for name, each in jobs.items():
        for seed in range(options.seeds):
            seeded = dataclasses.replace(each, seed=seed)
            outcome = run(seeded, setting)
            weight = each.entry.training.get("loss_weight")
            text = "" if weight is None else f"loss_weight {weight:g}"
            runs.append({"model": name, "seed": seed, **outcome, "setting": text})
            scores[name, seed] = scores_of(seeded, setting)
            print(f"{name} seed {seed}: gauc {outcome['gauc']:.4f}", flush=True)
    frame = pd.DataFrame(runs)
    frame.to_csv(folder / "runs.csv", index=False)
    text = "\n\n".join(
        [
            report.markdown(report.summary(frame, {}), index=True),
            report.markdown(differences(frame, scores)),
        ]
    )
    (folder / "table.md").write_text(f"{text}\n", encoding="utf-8")
    print(f"\n{options.data}: {source.training}, {setting}\n{text}")


def with_loss(job: Job, loss: str, weight: float) -> Job:
    """Returns a job whose model is trained with the sum of the crossentropy and a ranking loss."""
    entry = dataclasses.replace(job.entry, training={"loss": loss, "loss_weight": weight})
    return dataclasses.replace(job, name=f"{job.name}-{loss}-{weight:g}", entry=entry)


def has_pairs_only(data, source) -> bool:
    """Returns whether each row is a request with at most two candidates."""
    request = data.parts["train"].request
    if not source.training.get("by_request"):
        return False
    return bool(np.unique(request, return_counts=True)[1].max() <= 2)


def best_weight(job: Job, loss: str, weights: list, setting: dict) -> Job:
    """Returns the job of the weight with the highest GAUC on validation, with the first seed."""
    tried = []
    for weight in weights:
        each = with_loss(job, loss, weight)
        tried.append((each, run(each, setting)["valid gauc"]))
        print(f"{loss} tries {weight:g}: gauc on validation {tried[-1][1]:.4f}", flush=True)
    return tuning.best(tried)


def differences(runs: pd.DataFrame, scores: dict) -> pd.DataFrame:
    """Returns the differences from the crossentropy as text, one line per loss.

    Args:
        runs: One row per run: `model`, which is the loss, `seed` and the metrics.
        scores: `(loss, seed)` -> `predictions`, `labels` and `groups` of the test part.
    """
    by_seed = runs.set_index(["model", "seed"])
    others = [name for name in dict.fromkeys(runs["model"]) if name != BASE]
    gauc = report.order(scores, [(BASE, name) for name in others]).set_index("more")
    lines = []
    for name in others:
        row = gauc.loc[name]
        error = np.hypot(row["over users"], row["over seeds"] / np.sqrt(len(by_seed.loc[name])))
        line = {
            "loss": name,
            "gauc": f"{row['difference']:+.4f} ± {error:.4f}",
            "in errors": f"{row['deviations']:+.1f}",
        }
        for metric in _PAID:
            found = (by_seed.loc[name, metric] - by_seed.loc[BASE, metric]).to_numpy()
            line[metric] = f"{found.mean():+.4f}"
            if len(found) > 1:
                line[metric] += f" ± {found.std(ddof=1) / np.sqrt(len(found)):.4f}"
        lines.append(line)
    return pd.DataFrame(lines)


if __name__ == "__main__":
    main()
