"""Compare the runs of a folder: their states, metrics, times and the settings in which they differ.

The metrics are those of the best evaluation of each run on validation, and those on the test part
if the run is finished. Settings that all runs share are left out. Subfolders are searched too.

  keras-din runs runs
  keras-din runs runs --sort test_logloss
  keras-din runs runs --json
"""

import argparse
import json
import math
import pathlib

from keras_din.checks import local_path
from keras_din.cli.show import COLUMNS, text_table
from keras_din.run_files import (
    BEST,
    FORMAT,
    RUN,
    read_calibration,
    read_json,
    read_progress,
    read_result,
    read_updates,
)

# Metric -> whether the best value is the highest.
_HIGHEST = {"gauc": True, "auc": True}
_HIGHEST |= dict.fromkeys(("logloss", "ne", "ece", "rmse", "mae"), False)
_SHOWN = ("gauc", "auc", "logloss", "rmse", "mae")


def add_arguments(parser):
    """Adds the arguments of the command."""
    parser.add_argument("folder", help="the folder of the runs, such as runs")
    parser.add_argument(
        "--sort",
        type=_sort,
        metavar="METRIC",
        help="the metric on validation by which the runs are sorted, the best one first: "
        f"{', '.join(_HIGHEST)}, of one of several outputs as in buy_auc, on the test part as in "
        "test_gauc; or name, or seconds (default gauc; without one auc, logloss, rmse)",
    )


def run(options) -> dict:
    """Prints and returns the runs."""
    folder = local_path("folder", options.folder)
    found, left_out = [], {}
    for file in sorted(folder.rglob(RUN)):
        name = str(file.parent.relative_to(folder))
        try:
            found.append({"name": name, **summary(file.parent)})
        except (ValueError, KeyError, TypeError) as error:
            left_out[name] = f"{error}"
    if not found and not left_out:
        raise ValueError(f"`folder` must contain runs. Received: {folder}, without a {RUN}.")
    runs = _sorted(found, options.sort)
    if runs:
        print(_table(runs))
        if differences := _differences(runs):
            print(f"\n{differences}")
    for name, reason in left_out.items():
        print(f"left out: {name}: {reason}")
    return {"runs": runs, "left_out": left_out}


def summary(folder: pathlib.Path) -> dict:
    """Returns what `keras-din runs` reports of one run.

    Args:
        folder: The folder of the run.

    Returns:
        A dict. `state` is `"finished"` or `"not finished"`: a run that is in training is not
        finished, and neither is one that was interrupted. `seconds` is the time of training, also
        before an interruption, `None` if it was not measured. `step` is that of the best
        evaluation. `days` is the number of days of `keras-din update`.
    """
    content = read_json(folder / RUN)
    if content.get("format") != FORMAT:
        raise ValueError(f"format {content.get('format')!r} is not {FORMAT}, that of this version")
    arguments = content["arguments"]
    progress, result = read_progress(folder), read_result(folder)
    best = progress.get("best", {}).get("evaluation")
    parts: dict = result or {}
    if result is None:
        rows = [row for row in progress.get("rows", ()) if best and row["step"] == best[0]]
        parts = {"valid": rows[-1]} if rows else {}
    calibration = read_calibration(folder, folder / BEST)
    if calibration is not None:
        parts = parts | calibration["metrics"]
    return {
        "model": arguments["model"],
        "state": "not finished" if result is None else "finished",
        "epochs": progress.get("epochs"),
        "max_epochs": arguments["epochs"],
        "step": best[0] if result is None and best else (result or {}).get("best_step"),
        "monitor": arguments["monitor"],
        "valid": _metrics(parts.get("valid")),
        "test": _metrics(parts.get("test")),
        "seconds": progress.get("seconds"),
        "calibrated": None if calibration is None else calibration["method"],
        "days": len(read_updates(folder)[2]),
        "data": content["data"],
        "arguments": arguments,
    }


def _metrics(row: dict | None) -> dict:
    """The metrics of an evaluation, without its step and epoch."""
    return {n: v for n, v in (row or {}).items() if n not in ("step", "epoch", "loss")}


def _sort(text: str) -> str:
    """Returns the name of a metric, after `test_` or the name of an output or both."""
    metric = text.rpartition("_")[2]
    if text not in ("name", "seconds") and metric not in _HIGHEST:
        raise argparse.ArgumentTypeError(
            f"must be name, seconds, or a metric: {', '.join(_HIGHEST)}, with `OUTPUT_` or `test_` "
            f"before it. Received: {text!r}."
        )
    return text


def _value(run: dict, name: str) -> float:
    """The metric of a run; NaN if it has none."""
    part = "test" if name.startswith("test_") else "valid"
    value = run[part].get(name.removeprefix("test_"))
    return math.nan if value is None else value


def _sorted(runs: list, by: str | None) -> list:
    """The runs, those with the best metric first, those without it at the end."""
    if by == "name":
        return runs
    if by == "seconds":
        return sorted(runs, key=lambda run: (run["seconds"] is None, run["seconds"]))
    if by is None:
        names = [f"{prefix}{name}" for prefix in _prefixes(runs) for name in _SHOWN]
        by = next((name for name in names if _is_known(runs, name)), "gauc")
    elif not _is_known(runs, by):
        known = [
            f"{'test_' * (part == 'test')}{n}"
            for r in runs
            for part in ("valid", "test")
            for n in r[part]
            if n.rpartition("_")[2] in _HIGHEST
        ]
        raise ValueError(
            f"`--sort` must be a metric of the runs: {', '.join(dict.fromkeys(known))}. "
            f"Received: {by}."
        )
    sign = -1 if _HIGHEST[by.rpartition("_")[2]] else 1

    def key(run):
        value = _value(run, by)
        return math.isnan(value), sign * value

    return sorted(runs, key=key)


def _is_known(runs: list, name: str) -> bool:
    return any(not math.isnan(_value(run, name)) for run in runs)


def _prefixes(runs: list) -> list:
    """The prefixes of metrics, `[""]` or one per output, in the order of the outputs."""
    names = [name for run in runs for name in run["valid"] | run["test"]]
    found = [n.removesuffix(end) for n in names for end in _SHOWN if n.endswith(end)]
    return list(dict.fromkeys(p for p in found if p == "" or p.endswith("_"))) or [""]


def _table(runs: list) -> str:
    """One line per run."""
    names = [f"{prefix}{name}" for prefix in _prefixes(runs) for name in _SHOWN]
    columns = [
        (f"{start}{name}", f"{start.replace('_', ' ')}{_title(name)}")
        for start in ("", "test_")
        for name in names
        if _is_known(runs, f"{start}{name}")
    ]
    with_days, with_calibration = (any(run[n] for run in runs) for n in ("days", "calibrated"))
    head = ["run", "model", "state", "epochs", "step", *(title for _, title in columns), "seconds"]
    head += ["days"] * with_days + ["calibrated"] * with_calibration
    lines = [head]
    for run in runs:
        epochs = "-" if run["epochs"] is None else f"{run['epochs']}/{run['max_epochs']}"
        values = [_value(run, name) for name, _ in columns]
        line = [run["name"], run["model"], run["state"], epochs, _text(run["step"])]
        line += ["-" if math.isnan(value) else f"{value:.4f}" for value in values]
        line.append("-" if run["seconds"] is None else f"{run['seconds']:.0f}")
        line += [str(run["days"])] * with_days + [_text(run["calibrated"])] * with_calibration
        lines.append(line)
    return text_table(lines, left=3)


def _title(name: str) -> str:
    """`buy_auc` -> `buy AUC`."""
    output, _, metric = name.rpartition("_")
    return f"{output} {COLUMNS[metric]}".strip()


def _differences(runs: list) -> str:
    """The settings in which runs differ, one column each; empty if there are none."""
    settings = [_settings(run) for run in runs]
    names = dict.fromkeys(name for each in settings for name in each)
    texts = {name: [_text(each.get(name)) for each in settings] for name in names}
    texts = {name: values for name, values in texts.items() if len(set(values)) > 1}
    if not texts:
        return ""
    lines = [["run", *texts]]
    lines += [[run["name"], *values] for run, *values in zip(runs, *texts.values(), strict=True)]
    return text_table(lines, left=len(lines[0]))


def _settings(run: dict) -> dict:
    """The arguments of a run and of its model's builder. The model is in the other table."""
    arguments = {n: value for n, value in run["arguments"].items() if n not in ("model", "options")}
    return {"data": run["data"]} | arguments | run["arguments"]["options"]


def _text(value) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
