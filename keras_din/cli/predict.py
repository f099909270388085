"""Write the click-through rates that a trained model predicts.

The input is prepared data, or a Parquet file with a column for each input of the model: values as
in the log where a feature has a vocabulary, and list columns for the histories. Of prepared data
the output has the features of context and candidate too, as in the log but for values outside the
vocabulary, the time, and `user`, a number that only tells which rows are of one user.

  keras-din predict runs/din data ctr.csv --part test
  keras-din predict runs/din rows.parquet ctr.parquet
"""

import os
import pathlib

from keras_din.cli.show import missing_numbers


def add_arguments(parser):
    """The words of the command."""
    parser.add_argument("run", help="the folder of a run")
    parser.add_argument("input", help="a folder of prepared data, or a .parquet file of rows")
    parser.add_argument("output", help="a .csv or .parquet file, a row a row of the input")
    parser.add_argument("--part", default="test", help="of prepared data (default test)")
    parser.add_argument("--batch-size", type=int, default=4096, help="(default 4096)")


def run(options) -> None:
    """Scores every row and writes `ctr`, for prepared data beside what is known of a row."""
    import pandas as pd

    from keras_din.cli.evaluate import load
    from keras_din.data import rows_dataset
    from keras_din.evaluation import predict
    from keras_din.training import load_run, replacing

    output = pathlib.Path(options.output)
    if output.suffix not in (".csv", ".parquet"):
        raise ValueError(f"`output` must end in .csv or .parquet. Received: {output}.")
    if os.path.isdir(options.input):
        run, data = load(options.run, options.input)
        scores = predict(run.model, data.dataset(options.part, options.batch_size))
        samples = data.parts[options.part]
        table = _known(run.spec, samples, data.report.get("time_unit") == "order")
    else:
        run, frame = load_run(options.run), pd.read_parquet(options.input)
        rows = rows_dataset(frame, run.spec, batch_size=options.batch_size)
        print(missing_numbers(rows), end="")
        scores, table = predict(run.model, rows), pd.DataFrame(index=range(len(frame)))
    table["ctr"] = scores.predictions
    with replacing(output) as path:
        if output.suffix == ".csv":
            table.to_csv(path, index=False)
        else:
            table.to_parquet(path, index=False)
    print(f"written: {output}, {len(table):,} rows, mean ctr {table['ctr'].mean():.4f}")


def _known(spec, samples, in_order: bool = False):
    """A row a sample: `user`, the features of context and target but bags, `time` and `label`.

    Where the log has an order and no times, it is `order`.
    """
    import pandas as pd

    from keras_din.feature_spec import Categorical, Numeric
    from keras_din.serving.sample_rows import raw_from_indices

    table = {"user": samples.group}
    for feature in (*spec.context, *spec.target):
        values = samples.columns.get(feature.name)
        if isinstance(feature, Categorical):
            table[feature.name] = raw_from_indices(feature, values)
        elif isinstance(feature, Numeric):
            table[feature.name] = values
    if in_order:
        table["order"] = samples.time
    elif samples.time is not None:
        table["time"] = pd.to_datetime(samples.time, unit="us")
    return pd.DataFrame(table | {"label": samples.label.astype("int8")})
