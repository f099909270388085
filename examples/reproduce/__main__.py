"""Reproduces the DIN paper's table on real logs: every model, over seeds.

    python -m examples.reproduce --data kuairand
    python -m examples.reproduce --data beauty --folder AMAZON2014 --seeds 3
    python -m examples.reproduce --data sports --folder AMAZON2014 --settings runs/.../chosen.json
    python -m examples.reproduce --data din-pickle --folder dataset.pkl --protocol paper

Run it from the root of the repository. Each model tries the same few settings with the first seed.
The setting with the highest GAUC on validation is run with all seeds. Popularity is counted: it has
no seed, and chooses its prior strength on validation. `boosted_trees` are those of scikit-learn 1.7
or later, on counts, with settings of their own (boosted_trees.py).

`--protocol honest` scores the test part once per run, with the weights that were best on
validation. `--protocol paper` trains on all but the test part and reports the best result on the
test part, over steps and settings. Use it only to compare with published numbers that were made
this way.

The table is written after each model. A command that was interrupted continues when it is repeated.
GAUC is the AUC of each user, with ties counted one half, weighted by impressions; users of one
class are left out.
"""

import argparse
import dataclasses
import json
import pathlib

import pandas as pd

from examples.reproduce import report, tuning
from examples.reproduce.anchors import anchors
from examples.reproduce.entries import ENTRIES
from examples.reproduce.plot import plot
from examples.reproduce.running import Job, run, scores_of
from examples.reproduce.sources import PROTOCOLS, SOURCES, load
from examples.reproduce.speed import speed


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    result = argparse.ArgumentParser(
        prog="python -m examples.reproduce",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("--data", required=True, choices=tuple(SOURCES))
    add("--folder", help="folder of the data set (kuairand: packaged slice)")
    add("--models", default="all", help=f"all, or some of {','.join(ENTRIES)}")
    add("--seeds", type=int, default=3, help="number of seeds (default 3)")
    add("--protocol", choices=PROTOCOLS, default="honest", help="(default honest)")
    add("--budget", type=int, default=4, help="number of settings per model (default 4)")
    add("--settings", help="chosen.json of other data, in place of a search")
    add("--epochs", type=int, help="maximum number of epochs")
    add("--evaluate-freq", type=int, metavar="STEPS", help="steps between evaluations")
    add("--speed", action="store_true", help="measure the speed too, on an idle machine")
    add("--runs", default="runs/reproduce", help="folder of the runs and tables")
    return result


def main(words=None) -> None:
    command = parser()
    options = command.parse_args(words)
    source = SOURCES[options.data]
    if options.folder is None and not source.packaged:
        command.error(f"{options.data} does not come with the package: --folder is required")
    names = list(ENTRIES) if options.models == "all" else options.models.split(",")
    if unknown := [name for name in names if name not in ENTRIES]:
        command.error(f"--models must be some of {list(ENTRIES)}. Received: {unknown}")
    own = {"epochs": options.epochs, "evaluate_freq": options.evaluate_freq}
    own = {name: value for name, value in own.items() if value is not None}
    source = dataclasses.replace(source, training=source.training | own)
    data = load(source, options.folder, options.protocol)
    print(data, flush=True)
    folder = pathlib.Path(options.runs) / options.data / options.protocol
    given = json.loads(pathlib.Path(options.settings).read_text()) if options.settings else {}
    runs, scores, chosen = [], {}, {}
    for name in names:
        job = Job(name, ENTRIES[name], source, data, folder)
        setting = given.get(name)
        if setting is None or setting not in (job.entry.settings or (setting,)):
            setting = search(job, options.budget)
        chosen[name] = setting
        measured = {}
        for seed in range(options.seeds):
            if (
                seed and not job.entry.seeded
            ):  # Every seed of other models is compared with its result.
                scores[name, seed] = scores[name, 0]
                continue
            seed_job = dataclasses.replace(job, seed=seed)
            outcome = run(seed_job, setting)
            measured = measured or speed(seed_job, setting, options.speed)
            text = " ".join(f"{key} {value:g}" for key, value in setting.items())
            text = outcome.pop("setting", text)
            runs.append({"model": name, "seed": seed, **outcome, **measured, "setting": text})
            scores[name, seed] = scores_of(seed_job, setting)
            print(f"{name} seed {seed}: gauc {outcome['gauc']:.4f}", flush=True)
        text = write(folder, pd.DataFrame(runs), scores, chosen, anchors(options.data, data))
    print(f"\n{options.data}, {options.protocol}: {source.training}\n{text}")


def search(job: Job, budget: int) -> dict:
    """Returns the setting with the highest GAUC on validation, of at most `budget` settings."""
    settings = job.entry.settings or tuning.settings(budget, job.source.dropout)
    if len(settings) == 1:
        return settings[0]
    tried = []
    for setting in settings[:budget]:
        tried.append((setting, run(job, setting)["valid gauc"]))
        print(f"{job.name} tries {setting}: gauc on validation {tried[-1][1]:.4f}", flush=True)
    return tuning.best(tried)


def write(folder, runs, scores, chosen, published) -> str:
    """Writes `table.md`, `runs.csv`, `chosen.json` and `gauc.png`; returns the text."""
    table = report.markdown(report.summary(runs, published), index=True)
    pairs = report.markdown(report.order_as_text(report.order(scores)))
    text = f"{table}\n\n{pairs}"
    (folder / "table.md").write_text(f"{text}\n", encoding="utf-8")
    (folder / "chosen.json").write_text(json.dumps(chosen, indent=1), encoding="utf-8")
    runs.to_csv(folder / "runs.csv", index=False)
    plot(runs, published, f"{folder.parent.name}, {folder.name}", folder / "gauc.png")
    return text


if __name__ == "__main__":
    main()
