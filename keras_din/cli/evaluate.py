"""Print the metrics of a trained model on a part of prepared data.

The metrics refer to click rates of the log, same as in an export: the effects of --positive-weight
and of downsampled negatives on the odds are undone. With --raw they are not.

  keras-din evaluate runs/din
  keras-din evaluate runs/din --data other_data --part test --json > metrics.json
  keras-din evaluate runs/din --calibration-by tab --calibration-by decile
"""

from keras_din.cli.phases import phase
from keras_din.cli.show import calibration_table, metrics_table, output_prefix
from keras_din.count_text import count_text

_DECILE = "decile"  # Of `--calibration-by`.


def add_arguments(parser):
    """Adds the arguments of the command."""
    parser.add_argument("run", help="the folder of a run")
    parser.add_argument(
        "--data", metavar="FOLDER", help="prepared data or shards (default: the data of the run)"
    )
    parser.add_argument("--part", default="test", help="train, valid or test (default test)")
    parser.add_argument(
        "--batch-size",
        type=int,
        default=4096,
        help="rows per batch (default 4096)",
    )
    parser.add_argument(
        "--raw", action="store_true", help="evaluate the model's raw output, with nothing undone"
    )
    parser.add_argument(
        "--calibration-by",
        action="append",
        default=[],
        metavar="FEATURE",
        help="also print calibration and ECE for each value of a feature of the context or "
        f"target, with 95 %% Wilson intervals; or by `{_DECILE}` of the predictions. Repeatable",
    )


def run(options) -> dict:
    """Evaluates the model, and prints and returns its metrics."""
    from keras_din.calibration.calibrated_model import check_by
    from keras_din.evaluation.metrics_of_dataset import evaluate_at
    from keras_din.outputs import metrics_by_output
    from keras_din.spec_fingerprint import fingerprint
    from keras_din.training import run_click_rates

    with phase("load the run and the data"):
        run, data = load(options.run, options.data)
    rates = run_click_rates(run, options.raw)
    rows = data.dataset(options.part, options.batch_size)
    for name in options.calibration_by:
        if name != _DECILE:
            check_by([fingerprint(run.spec)], name, "--calibration-by")
    with phase("evaluate"):
        metrics = evaluate_at(rates, run.model, rows)
    if rates.raw or not rates.undoes_nothing:
        print(rates.describe())
    print(metrics_table({options.part: metrics}, run.spec.outputs))
    if run.spec.position is not None:
        print(
            "gauc and auc are those of the output without the position, which a version serves; "
            "all other metrics are those with the position"
        )
    for output, values in metrics_by_output(metrics, run.spec.outputs).items():
        line = count_text(values["rows"], "row")
        if "groups" in values:
            line += (
                f", {count_text(values['groups'], 'user')} in GAUC, weighted by impressions; "
                f"left out: {count_text(values['groups_left_out'], 'user')} with one class"
            )
        print(output_prefix(output, run.spec.outputs) + line)
    found = _calibration_by(run, rates, data, rows, options) if options.calibration_by else {}
    for (name, output), table in found.items():
        title = f"calibration by {name}, with 95 % intervals of the click rate"
        print(f"\n{output_prefix(output, run.spec.outputs)}{title}\n{calibration_table(table)}")
    by: dict[str, dict] = {name: {} for name, _ in found}
    for (name, output), table in found.items():
        by[name][output] = table.to_dict(orient="records")
    return metrics | ({"calibration_by": by} if by else {})


def _calibration_by(run, rates, data, rows, options) -> dict:
    """Returns `(feature, output)` -> a frame of a `CalibrationTable`, one row per value."""
    import numpy as np
    import pandas as pd

    from keras_din.cli.raw_columns import raw_column
    from keras_din.evaluation import predict
    from keras_din.metrics import calibration_by_decile, calibration_by_value, recalibrate
    from keras_din.outputs import by_output

    samples = data.parts[options.part]
    predicted = predict(rates.model(run.model), rows)
    labels = by_output(predicted.labels, run.spec.outputs)
    found = {}
    for name in options.calibration_by:
        for output, p in by_output(predicted.predictions, run.spec.outputs).items():
            if rates.of_outputs[output].is_number:
                continue
            known = ~np.isnan(labels[output])
            y, p = labels[output][known], p[known].astype("float64")
            if not rates.raw:  # Same as in `evaluate`.
                p = recalibrate(p, rows.negative_rate)
            if name == _DECILE:
                table = calibration_by_decile(y, p)
                frame = pd.DataFrame(table._asdict())
            else:
                values = np.repeat(samples.columns[name], predicted.sizes)[known]
                table = calibration_by_value(y, p, values)
                raw = raw_column(run.spec.features[name], table.values.astype(np.int32))
                names = pd.Series(raw.to_pylist(), dtype=object)
                frame = pd.DataFrame(table._asdict() | {"values": names})
            found[name, output] = frame
    return found


def load(folder, data_folder):
    """Loads a run, and prepared data with the same features."""
    from keras_din.cli.data_folder import load_data
    from keras_din.training import load_run, read_arguments

    run = load_run(folder)
    data_folder = data_folder or read_arguments(folder)["data"]
    if data_folder is None:
        raise ValueError(f"A run without `data_folder` requires --data. Received: {folder}.")
    data = load_data(data_folder)
    check_data(run, folder, data, data_folder)
    return run, data


def check_data(run, folder, data, data_folder) -> None:
    """Raises a `ValueError` with the differences if data and a run have different features."""
    from keras_din.spec_fingerprint import differences, fingerprint, refuse_differences

    if len(data.days) > len(run.days):
        raise ValueError(
            "The run must have learned from all appended days of the data: call `keras-din update "
            f"{folder} {data_folder}`. Received: {count_text(len(data.days), 'appended day')}, "
            f"of which the run knows {len(run.days)}."
        )
    refuse_differences(differences(fingerprint(run.spec), data.spec), f"The data in {data_folder}")
    if data.spec != run.spec:
        raise ValueError(
            "The data must have the spec that the model was trained with. "
            f"Received: data of {data_folder} and the run {folder}, which have the same values but "
            "differ in a `dim`, `pooling`, `max_values` or `max_length`, in labels or in more "
            "features."
        )
