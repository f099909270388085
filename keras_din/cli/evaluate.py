"""Print the metrics of a trained model on a part of prepared data.

They are of click rates of the log, as an export gives them: what --positive-weight and thinned
data did to the odds is undone, or with --raw not.

keras-din evaluate runs/din
keras-din evaluate runs/din --data other_data --part test --json metrics.json
"""

import json

from keras_din.cli.show import metrics_table, name_of_line


def add_arguments(parser):
    """The words of the command."""
    parser.add_argument("run", help="the folder of a run")
    parser.add_argument("--data", help="prepared data (default: that of the run)")
    parser.add_argument("--part", default="test", help="train, valid or test (default test)")
    parser.add_argument("--batch-size", type=int, default=4096, help="(default 4096)")
    parser.add_argument(
        "--raw", action="store_true", help="of what the model answers, with nothing undone"
    )
    parser.add_argument("--json", metavar="FILE", help="write the metrics there too")


def run(options) -> None:
    """Evaluates and prints a table."""
    from keras_din.checks import local_path
    from keras_din.evaluation import evaluate_at
    from keras_din.outputs import metrics_by_output
    from keras_din.training import run_click_rates

    file = options.json and local_path("--json", options.json)
    if file and (file.is_dir() or not file.parent.is_dir()):
        raise ValueError(f"`--json` must be a file in a folder that exists. Received: {file}.")
    run, data = load(options.run, options.data)
    rates = run_click_rates(run, options.raw)
    rows = data.dataset(options.part, options.batch_size)
    metrics = evaluate_at(rates, run.model, rows)
    if rates.raw or not rates.undoes_nothing:
        print(rates.describe())
    print(metrics_table({options.part: metrics}, run.spec.outputs))
    for output, of in metrics_by_output(metrics, run.spec.outputs).items():
        line = f"{of['rows']:,} rows"
        if "groups" in of:
            line += (
                f", {of['groups']:,} users in GAUC, weighted by impressions; "
                f"{of['groups_left_out']:,} with one class only left out"
            )
        print(name_of_line(output, run.spec.outputs) + line)
    if file:
        file.write_text(json.dumps(metrics, indent=1), encoding="utf-8")


def load(folder, data_folder):
    """A run, and prepared data that has its features."""
    from keras_din.data import PreparedData
    from keras_din.training import load_run, read_arguments

    run = load_run(folder)
    data_folder = data_folder or read_arguments(folder)["data"]
    if data_folder is None:
        raise ValueError(
            f"A run that was not given `data_folder` needs the data by --data. Received: {folder}."
        )
    data = PreparedData.load(data_folder)
    check_data(run, folder, data, data_folder)
    return run, data


def check_data(run, folder, data, data_folder) -> None:
    """Raises a `ValueError` that says how the features of data and of a run differ."""
    from keras_din.spec_fingerprint import differences, fingerprint, refuse_differences

    refuse_differences(differences(fingerprint(run.spec), data.spec), f"The data in {data_folder}")
    if data.spec != run.spec:
        raise ValueError(
            "The data must have the spec that the model was trained with. "
            f"Received: data of {data_folder} and the run {folder}, which have the same values and "
            "differ in a `dim`, `pooling`, `max_values` or `max_length`, in labels or in further "
            "features."
        )
