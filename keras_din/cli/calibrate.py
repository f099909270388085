"""Calibrate the probabilities of a run on its validation part.

An increasing curve of the model's logits is fitted, so that the mean prediction is the click rate
at each level of predictions. The order of candidates does not change. Afterwards `export`,
`evaluate` and `predict` use the calibrated model. The trained model stays in the run's folder:
--remove undoes the calibration. It needs scikit-learn: pip install 'keras_din[calibration]'.

  keras-din calibrate runs/din
  keras-din calibrate runs/din --method platt --by tab
  keras-din calibrate runs/din --output ctr,long_view
  keras-din calibrate runs/din --remove
"""

from keras_din.cli.phases import phase
from keras_din.cli.show import metrics_table
from keras_din.cli.tables import names
from keras_din.count_text import count_text

METHODS = ("isotonic", "platt", "piecewise_linear")  # Those of `keras_din.calibration`.
_ARGUMENTS = (
    "method",
    "by",
    "output",
    "shrinkage",
    "part",
)  # Of `keras_din.training.calibrate_run`.


def add_arguments(parser):
    """Adds the arguments of the command."""
    parser.add_argument("run", help="the folder of a run")
    parser.add_argument(
        "--data", metavar="FOLDER", help="prepared data or shards (default: the data of the run)"
    )
    parser.add_argument("--method", choices=METHODS, help="form of the curve (default isotonic)")
    parser.add_argument(
        "--by",
        metavar="FEATURE",
        help="a feature with a curve per value, such as the tab or the position; a value with few "
        "rows has nearly the curve of all rows",
    )
    parser.add_argument(
        "--output",
        type=names,
        metavar="A,B",
        help="the only outputs to calibrate, for example without one that has too few clicks "
        "(default: all that are probabilities)",
    )
    parser.add_argument(
        "--shrinkage",
        type=float,
        metavar="ROWS",
        help="with --by: with this number of rows, the rows of a value weigh as much as the curve "
        "of all rows (default: as many as have 100 clicks, or 100 rows without if these are rarer)",
    )
    parser.add_argument(
        "--part",
        help="the part of the data to fit to, of which the model must not have learned "
        "(default valid)",
    )
    parser.add_argument(
        "--remove", action="store_true", help="remove the calibration, and do not fit another one"
    )


def run(options) -> dict:
    """Calibrates the run, and prints and returns metrics before and after."""
    given = {name: getattr(options, name) for name in _ARGUMENTS}
    given = {name: value for name, value in given.items() if value is not None}
    if options.remove:
        return {"run": options.run, "removed": _remove(options, given)}
    from keras_din.cli.evaluate import load
    from keras_din.training import calibrate_run

    if options.shrinkage is not None and options.by is None:
        raise ValueError(
            f"`--shrinkage` must be given with `--by`. Received: --shrinkage {options.shrinkage:g}."
        )
    with phase("load the run and the data"):
        _, data = load(options.run, options.data)
    with phase("calibrate"):
        calibrated = calibrate_run(options.run, data, **given)
    print(report(calibrated.result["calibration"], calibrated.spec.outputs))
    print(f"written: {options.run}")
    return {"run": options.run, "calibration": calibrated.result["calibration"]}


def report(calibration: dict, all_outputs=()) -> str:
    """Formats the metrics of each output before and after calibration.

    Args:
        calibration: The entry `"calibration"` of a run's result.
        all_outputs: The outputs of the model, also those that are not calibrated.
    """
    outputs, part = calibration["outputs"], calibration["part"]
    rows: dict[str, dict] = {}
    for output, found in outputs.items():
        prefix = f"{output}, " if max(len(outputs), len(all_outputs)) > 1 else ""
        for name, each in ((part, found), ("test", found.get("test"))):
            if each is not None:
                rows |= {f"{prefix}{name} {when}": each[when] for when in ("before", "after")}
    by = f" by {calibration['by']}" if calibration["by"] else ""
    counts = {output: found["rows"] for output, found in outputs.items()}
    if len(set(counts.values())) == 1:
        fitted = count_text(next(iter(counts.values())), "row")
    else:  # Labels may be missing.
        fitted = ", ".join(f"{count:,} ({output})" for output, count in counts.items()) + " rows"
    title = f"{calibration['method']}{by}, fitted to {fitted} of {part!r}"
    return f"{title}\n{metrics_table(rows)}"


def _remove(options, given: dict) -> dict | None:
    if given or options.data:
        words = [f"--{name}" for name in (*given, *["data"] * bool(options.data))]
        raise ValueError(f"`--remove` has no other options. Received: {', '.join(words)}.")
    from keras_din.training import remove_calibration

    found = remove_calibration(options.run)
    print("the run was not calibrated" if found is None else f"removed: {found['method']}")
    return found
