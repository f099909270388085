"""The DIN paper's table on real logs: every model, over seeds, printed and written.

    python -m examples.reproduce --data kuairand
    python -m examples.reproduce --data beauty --folder AMAZON2014 --seeds 3
    python -m examples.reproduce --data sports --folder AMAZON2014 --settings runs/.../chosen.json
    python -m examples.reproduce --data din-pickle --folder dataset.pkl --protocol paper

Each model tries the same few settings with the first seed; that with the highest GAUC of validation
is run with all seeds. Popularity is counted: it has no seed, and chooses its prior strength on
validation. `boosted_trees` are those of scikit-learn 1.7 or later, on counts, with settings of
their own (boosted_trees.py). `--protocol honest` scores the test once a run, with the weights that
were best on validation. `--protocol paper` trains on all but the test and reports the best that
was seen on the test, settings included: only to stand beside published numbers that were made so.

The table is written anew after each model. A command that was interrupted goes on where it stopped
when it is given again. GAUC is the AUC of each user, ties one half, weighted by impressions; users
of one class are left out.
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
    """The words of the command."""
    result = argparse.ArgumentParser(
        prog="python -m examples.reproduce",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("--data", required=True, choices=tuple(SOURCES))
    add("--folder", help="where the data is (kuairand: the packaged slice)")
    add("--models", default="all", help=f"all, or some of {','.join(ENTRIES)}")
    add("--seeds", type=int, default=3, help="how many (default 3)")
    add("--protocol", choices=PROTOCOLS, default="honest", help="(default honest)")
    add("--budget", type=int, default=4, help="settings that each model tries (default 4)")
    add("--settings", help="a chosen.json of other data: nothing in it is searched")
    add("--epochs", type=int, help="the most epochs")
    add("--evaluate-freq", type=int, metavar="STEPS", help="(default: as the data has it)")
    add("--speed", action="store_true", help="measure the speed; best on an idle machine")
    add("--runs", default="runs/reproduce", help="where runs and tables are kept")
    return result


def main(words=None) -> None:
    command = parser()
    options = command.parse_args(words)
    source = SOURCES[options.data]
    if options.folder is None and not source.packaged:
        command.error(f"{options.data} does not come with the package: say where by --folder")
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
            if seed and not job.entry.seeded:  # Each seed of another model is compared with it.
                scores[name, seed] = scores[name, 0]
                continue
            its = dataclasses.replace(job, seed=seed)
            outcome = run(its, setting)
            measured = measured or speed(its, setting, options.speed)
            told = " ".join(f"{word} {value:g}" for word, value in setting.items())
            told = outcome.pop("setting", told)
            runs.append({"model": name, "seed": seed, **outcome, **measured, "setting": told})
            scores[name, seed] = scores_of(its, setting)
            print(f"{name} seed {seed}: gauc {outcome['gauc']:.4f}", flush=True)
        text = write(folder, pd.DataFrame(runs), scores, chosen, anchors(options.data, data))
    print(f"\n{options.data}, {options.protocol}: {source.training}\n{text}")


def search(job: Job, budget: int) -> dict:
    """The setting with the highest GAUC of validation, of as many as the budget."""
    settings = job.entry.settings or tuning.settings(budget, job.source.dropout)
    if len(settings) == 1:
        return settings[0]
    tried = []
    for setting in settings[:budget]:
        tried.append((setting, run(job, setting)["valid gauc"]))
        print(f"{job.name} tries {setting}: gauc of validation {tried[-1][1]:.4f}", flush=True)
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
