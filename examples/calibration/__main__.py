"""Measures calibration on the test part, before and after curves that are fitted on validation.

    python -m examples.calibration kuairand
    python -m examples.calibration beauty sports kuairand movielens globo-hour --folder FOLDER
    python -m examples.calibration kuairand --runs runs/reproduce/kuairand/honest --by tab

Run it from the root of the repository. FOLDER has the folders of the data sets, `amazon2014/`,
`globo/`, `kuairand/` and `movielens-small/`; without it only `kuairand` works, whose slice comes
with the package. `--runs` is a folder that contains runs, at any depth, of one data set that was
loaded as in `examples.reproduce`; other runs in it are left out. Without `--runs`, DIN is trained
with the defaults for each seed, or read from `runs/calibration` if it is there.

The goal is a test ECE of at most .01, with 10 bins of equal size, and a calibration within 3 %, if
validation and test come from the same days. `ece of noise` is the ECE that exact click rates would
have on as many rows. So the table has the share of test rows that are from
days of validation. Where days differ, click rates may drift, which no curve can know.
"""

import argparse
import pathlib

import keras
import numpy as np
import pandas as pd

from examples.reproduce.sources import SOURCES, load
from keras_din.calibration import METHODS, calibrate
from keras_din.evaluation import evaluate
from keras_din.training import load_run, run_click_rates, train

FOLDERS = {
    "beauty": "amazon2014",
    "sports": "amazon2014",
    "globo": "globo",
    "globo-hour": "globo",
    "kuairand": "kuairand",
    "movielens": "movielens-small",
}
ECE, CALIBRATION = 0.01, 0.03  # The goal.
_DAY = 86_400_000_000  # Microseconds.


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    result = argparse.ArgumentParser(
        prog="python -m examples.calibration",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("data", nargs="+", choices=tuple(FOLDERS))
    add("--folder", type=pathlib.Path, help="folder of the data sets")
    add("--runs", type=pathlib.Path, help="folder with runs of the data set")
    add("--seeds", type=int, default=1, help="number of DIN runs to train (default 1)")
    add("--by", help="a feature with a curve per value")
    add("--out", type=pathlib.Path, default=pathlib.Path("runs/calibration"))
    return result


def main(words=None) -> None:
    """Prints the table, and writes it to `results.csv`."""
    command = parser()
    options = command.parse_args(words)
    if options.runs and len(options.data) > 1:
        command.error("--runs belongs to one data set")
    lines = []
    for name in options.data:
        source = SOURCES[name]
        if options.folder is None and not source.packaged:
            command.error(f"{name} does not come with the package: --folder is required")
        folder = options.folder and options.folder / FOLDERS[name]
        if source.packaged and folder and not folder.is_dir():
            folder = None
        data = load(source, folder, "honest")
        print(name, data, flush=True)
        for label, run in _runs(options, name, source, data):
            lines += measure(name, label, run, data, options.by, source.training)
            table = pd.DataFrame(lines)
            options.out.mkdir(parents=True, exist_ok=True)
            table.to_csv(options.out / "results.csv", index=False)
    print(pd.DataFrame(lines).to_string(index=False, float_format="{:.4f}".format))


def measure(name: str, label: str, run, data, by: str | None, training: dict) -> list:
    """Returns one line per method: metrics of the test part before and after."""
    keywords = {"by_request": training.get("by_request", False)}
    valid, test = (data.dataset(part, 4096, **keywords) for part in ("valid", "test"))
    rates, lines = run_click_rates(run), []
    gauc = evaluate(run.model, test)["gauc"]
    for method in METHODS:
        model = calibrate(run.model, valid, method, by=by, test=test, rates=rates)
        found = model.get_layer("calibration").report["test"]
        after = found["after"]
        reached = after["ece"] <= ECE and abs(after["calibration"] - 1) <= CALIBRATION
        lines.append(
            {"data": name, "run": label, "method": method, "by": by or "-"}
            | {
                f"{metric} {when}": found[when][metric]
                for metric in ("calibration", "ece", "logloss")
                for when in ("before", "after")
            }
            | {
                "ece of noise": noise(data.parts["test"].label),
                "GAUC": gauc,
                "GAUC change": evaluate(model, test)["gauc"] - gauc,
                "test rows on days of validation": same_days(data),
                "goal": "yes" if reached else "no",
            }
        )
        print(lines[-1], flush=True)
    return lines


def noise(labels) -> float:
    """Returns the expected ECE of exact click rates, if the 10 bins had the same click rate.

    The error of a bin's click rate is normal, so its mean absolute value is `sqrt(2 / pi)` times
    its standard deviation.
    """
    rate = np.mean(labels, dtype="float64")
    return float(np.sqrt(2 / np.pi * 10 * rate * (1 - rate) / len(labels)))


def same_days(data) -> float:
    """Returns the share of test rows from days (UTC) that validation has; NaN without times."""
    times = [data.parts[part].time for part in ("valid", "test")]
    if any(time is None for time in times):
        return float("nan")
    valid, test = (time // _DAY for time in times)
    return float(np.isin(test, np.unique(valid)).mean())


def _runs(options, name: str, source, data):
    """Yields `(label, Run)` of finished runs with the spec of the data."""
    if options.runs is None:
        for seed in range(options.seeds):
            folder = options.out / name / f"din-seed{seed}"
            keras.backend.clear_session()
            resume = (folder / "run.json").is_file()
            yield folder.name, train(data, folder, seed=seed, resume=resume, **source.training)
        return
    for file in sorted(options.runs.rglob("run.json")):
        label = str(file.parent.relative_to(options.runs))
        keras.backend.clear_session()
        try:
            run = load_run(file.parent, calibrated=False)
        except (ValueError, FileNotFoundError) as error:
            print(f"left out: {label}: {error}", flush=True)
            continue
        if run.spec != data.spec:
            print(f"left out: {label}, which has another spec", flush=True)
            continue
        yield label, run


if __name__ == "__main__":
    main()
