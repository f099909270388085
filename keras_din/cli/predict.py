"""Write the click-through rates that a trained model predicts, beside the rows that they are of.

The input is a raw log, rows that hold their histories, or prepared data. All columns of a file
pass through as they are, and `ctr` stands behind them. A model of several labels has a column for
each of its outputs.

A raw log (CSV, Parquet, Arrow or ORC) has a row per impression, as the log that was prepared. A
history is what the run's data holds of the user, and the rows of the log that --label says are
clicks, strictly before the row. A line of a CSV file that is no row, as it has another number of
fields, is counted and left out of the output.

Rows that hold their histories are a Parquet, Arrow or ORC file with a column for each input of the
model, list columns for the histories.

Of prepared data the output has `line`, where the row stands in the log that was prepared, the user,
and what the model reads of context and candidate: a value outside the vocabulary is empty, since
the data does not keep it; join by `line` then. Where a feature is named `line`, `time` or `label`,
the column that the data itself adds is `line_` and so on.

`ctr` is the click rate of the log: what --positive-weight of the training and thinned data did to
the odds is undone, or with --raw not.

  keras-din predict runs/din log.csv ctr.csv --user user_id --time ts --label click
  keras-din predict runs/din rows.parquet ctr.parquet
  keras-din predict runs/din data ctr.csv --part test
"""

import argparse
import json

from keras_din.cli import tables
from keras_din.cli.show import missing_numbers

OUTPUTS = (".csv", ".parquet")
# The words of a raw log, and what each is where it is not given.
OF_LOG: dict = {"user": None, "time": None, "label": None, "sequences": [], "request": None}
OF_LOG |= {"items": None, "users": None, "bags": [], "separator": None, "sep": None, "names": None}
OF_LOG |= {"label_map": {}, "max_bad": None, "time_unit": "auto", "time_format": None}
OF_LOG |= {"data": None, "log_only": False}


def add_arguments(parser):
    """The words of the command."""
    parser.add_argument("run", help="the folder of a run")
    parser.add_argument("input", help="a CSV, Parquet, Arrow or ORC file, or prepared data")
    parser.add_argument("output", help="a .csv or .parquet file, one row per row of the input")
    parser.add_argument("--part", help="of prepared data (default test)")
    parser.add_argument("--batch-size", type=int, default=4096, help="(default 4096)")
    parser.add_argument(
        "--columns",
        type=tables.names,
        metavar="A,B",
        help="of the input that pass through (default all)",
    )
    parser.add_argument(
        "--raw", action="store_true", help="what the model answers, with nothing undone"
    )
    log = parser.add_argument_group("a raw log")
    log.add_argument("--user", metavar="COLUMN", help="who; with it the input is a raw log")
    log.add_argument("--time", metavar="COLUMN", help="when")
    log.add_argument(
        "--label",
        metavar="COLUMN",
        help="0 or 1: which rows are behaviors of later rows, where the model has one sequence "
        "(default: none are, histories are those of the data)",
    )
    log.add_argument(
        "--sequences",
        type=_sequence,
        action="append",
        default=[],
        metavar="SEQUENCE=COLUMN",
        help="the same for a sequence by its name; repeatable",
    )
    log.add_argument("--request", metavar="COLUMN", help="impressions shown together")
    log.add_argument("--items", metavar="FILE", help="one row per item, for what the log lacks")
    log.add_argument("--users", metavar="FILE", help="one row per user, for what the log lacks")
    log.add_argument(
        "--bags",
        type=tables.names,
        default=[],
        metavar="A,B",
        help="bags of the model that --separator is of (default all)",
    )
    log.add_argument(
        "--separator", metavar="TEXT", help="of their values (default: that of the data, else |)"
    )
    tables.add_csv(log)
    tables.add_labels(log)
    tables.add_times(log)
    log.add_argument(
        "--max-bad",
        type=float,
        metavar="SHARE",
        help="of lines that may be no rows before it is an error (default 0.01)",
    )
    history = log.add_mutually_exclusive_group()
    history.add_argument(
        "--data", metavar="FOLDER", help="prepared data with the histories (default: the run's)"
    )
    history.add_argument(
        "--log-only", action="store_true", help="histories of the log alone, and of no data"
    )


def run(options) -> None:
    """Scores every row and writes the outputs beside it."""
    import pyarrow.compute as pc

    from keras_din.checks import local_path

    output, source = local_path("output", options.output), local_path("input", options.input)
    if output.suffix not in OUTPUTS:
        raise ValueError(f"`output` must end in .csv or .parquet. Received: {output}.")
    if output.is_dir() or not output.parent.is_dir():
        raise ValueError(f"`output` must be a file in a folder that exists. Received: {output}.")
    _check_words(options, source)
    if source.is_dir():
        rates, table, scores = _of_prepared(options, source)
    elif options.user is None:
        rates, table, scores = _of_rows(options, source)
    else:
        rates, table, scores = _of_log(options, source)
    for name, values in scores.items():
        table = table.append_column(name, values)
    _write(table, output)
    print(rates.describe())
    missing = next(iter(scores.values())).null_count
    line = f"written: {output}, {len(table):,} rows"
    line += f", {missing:,} of them not scored" if missing else ""
    for name, values in scores.items():
        mean = pc.mean(values).as_py()
        line += "" if mean is None else f", mean {name} {mean:.4f}"
    print(line)


def _check_words(options, source) -> None:
    """Raises a `ValueError` where a word is given that belongs to another kind of input."""
    given = [name for name, default in OF_LOG.items() if getattr(options, name) != default]
    words = ", ".join(f"--{name.replace('_', '-')}" for name in given)
    if source.is_dir() and given:
        raise ValueError(
            f"These words belong to a raw log, which is a file. Received: {words} and the folder "
            f"{source}."
        )
    if given and options.user is None:
        raise ValueError(f"A raw log needs `--user` and `--time`. Received: {words} alone.")
    if given and options.time is None:
        raise ValueError("A raw log needs `--user` and `--time`. Received: --user alone.")
    if options.part is not None and not source.is_dir():
        raise ValueError(
            f"`--part` belongs to prepared data, which is a folder. Received: --part and {source}."
        )


def _passed(options, names: list, outputs) -> list:
    """The columns of the input that pass through; known before anything is scored."""
    passed = names if options.columns is None else options.columns
    if lacking := [name for name in passed if name not in names]:
        raise ValueError(
            f"`--columns` must name columns of the input: {names}. Received: {lacking}."
        )
    for output in outputs:
        if output in passed:
            raise ValueError(
                f"The input must have no column `{output}`, or `--columns` must leave it out. "
                f"Received columns: {passed}."
            )
    return passed


def _scores(options, run, dataset):
    """What the run is known to undo, and name of the output -> its values on a data set."""
    from keras_din.evaluation import predict
    from keras_din.outputs import by_output
    from keras_din.training import run_click_rates

    rates = run_click_rates(run, options.raw)
    predictions = predict(rates.model(run.model), dataset).predictions
    return rates, by_output(predictions, run.spec.outputs)


def _of_prepared(options, folder):
    """A part of prepared data: what it knows of each row."""
    import pyarrow as pa

    from keras_din.checks import one_of
    from keras_din.cli.evaluate import load

    run, data = load(options.run, folder)
    part = one_of("part", options.part or "test", tuple(data.parts))
    table = _known(data, part)
    table = table.select(_passed(options, table.column_names, run.spec.outputs))
    rates, scores = _scores(options, run, data.dataset(part, options.batch_size))
    return rates, table, {n: pa.array(of, pa.float32()) for n, of in scores.items()}


def _of_rows(options, path):
    """Rows that hold their histories: all columns of the file."""
    import pyarrow as pa

    from keras_din.data import rows_dataset
    from keras_din.data.reading.source import ArrowSource, as_source, to_frame
    from keras_din.training import load_run

    run, source = load_run(options.run), as_source(path)
    if not isinstance(source, ArrowSource):
        raise ValueError(
            "Rows that hold their histories must be a Parquet, Arrow or ORC file; a raw log, which "
            f"may be CSV, needs `--user` and `--time`. Received: {path}."
        )
    if lacking := [name for name in run.spec.inputs if name not in source.names]:
        raise ValueError(
            f"Rows that hold their histories must have a column for each input; missing are "
            f"{lacking}. A raw log needs `--user` and `--time`. "
            f"Received columns: {source.names}."
        )
    passed = _passed(options, source.names, run.spec.outputs)
    frame = to_frame(source.read(list(run.spec.inputs)))
    rows = rows_dataset(frame, run.spec, None, options.batch_size)
    print(missing_numbers(rows), end="")
    rates, scores = _scores(options, run, rows)
    scores = {name: pa.array(values, pa.float32()) for name, values in scores.items()}
    return rates, source.read(passed), scores


def _of_log(options, path):
    """A raw log: all columns of the file, and the outputs where a row could be scored."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from keras_din.cli.evaluate import check_data
    from keras_din.data import PreparedData, dataset
    from keras_din.data.prepare.joins import column_names
    from keras_din.data.prepare.scoring import log_to_samples
    from keras_din.data.reading.bad_rows import MAX_BAD
    from keras_din.data.reading.source import ArrowSource, as_source
    from keras_din.training import load_run, read_arguments

    source = as_source(path, options.sep, names=options.names)
    run = load_run(options.run)
    passed = _passed(options, column_names(source), run.spec.outputs)
    folder = options.data or read_arguments(options.run)["data"]
    if folder is None and not options.log_only:
        raise ValueError(
            "The run must know its data, or `--data` or `--log-only` say where histories come "
            f"from. Received: {options.run}, which was not given `data_folder`."
        )
    data = None if options.log_only else PreparedData.load(folder)
    if data is not None:
        check_data(run, options.run, data, folder)
    sequences = dict(options.sequences)
    if options.label:
        if len(run.spec.sequences) != 1:
            raise ValueError(
                "`--label` belongs to models with one sequence; name each by `--sequences`: "
                f"{[sequence.name for sequence in run.spec.sequences]}. Received: --label."
            )
        sequences = {run.spec.sequences[0].name: options.label} | sequences
    log = log_to_samples(
        path,
        run.spec,
        data,
        user=options.user,
        time=options.time,
        sequences=sequences,
        request=options.request,
        items=options.items,
        users=options.users,
        bags=_separators(options, run.spec, sequences, folder),
        time_unit=options.time_unit,
        time_format=options.time_format,
        sep=options.sep,
        names=options.names,
        label_map=options.label_map,
        max_bad=MAX_BAD if options.max_bad is None else options.max_bad,
    )
    _print_log(log.report)
    rows = dataset(run.spec, log.behaviors, log.samples, options.batch_size)
    rates, scores = _scores(options, run, rows)
    if isinstance(source, ArrowSource):
        table, line = source.read(passed), log.samples.line
    else:
        table, lines = _fields(source, passed)
        line = pd.Index(lines).get_indexer(log.samples.line)
    known = np.zeros(len(table), bool)
    known[line] = True
    columns = {}
    for name, of_rows in scores.items():
        values = np.zeros(len(table), np.float32)
        values[line] = of_rows
        columns[name] = pa.array(values, pa.float32(), mask=~known)
    return rates, table, columns


def _separators(options, spec, sequences, folder) -> dict:
    """The separators of bags that are read of a log: as given, or as the data was prepared."""
    from keras_din.data.prepare.prepared_data import read_report
    from keras_din.data.reading.bag_cells import SEPARATOR

    read = [*spec.context, *spec.target]
    for sequence in spec.sequences:
        read += sequence.features if sequence.name in sequences else []
    bags = list(dict.fromkeys(feature.name for feature in read if feature.axes))
    if other := [name for name in options.bags if name not in bags]:
        raise ValueError(f"`--bags` must name bags of the model: {bags}. Received: {other}.")
    if options.separator is not None and not bags:
        raise ValueError(
            "`--separator` belongs to models with features of several values. "
            f"Received: --separator {options.separator} and a model without."
        )
    if options.separator is not None:
        return dict.fromkeys(options.bags or bags, options.separator)
    of_data = read_report(folder).get("separators", {}) if folder is not None else {}
    return {name: of_data.get(name, SEPARATOR) for name in bags}


def _fields(file, names: list):
    """Columns of a CSV file as they stand in it, and the line of each row, which are printed.

    An empty field is nothing; text that is not UTF-8 has a sign in the place of a wrong byte.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from keras_din.data.reading.csv_file import read_csv

    table, lines, bad = read_csv(file, names, names)
    if bad:
        line, reason = bad[0]
        print(f"left out {len(bad):,} lines that are no rows: line {line} has {reason}")
    columns, wrong = {}, 0
    for name in names:
        column = table[name]
        try:
            text = column.cast(pa.string())
        except pa.ArrowInvalid:
            cells = [cell.decode("utf-8", "replace") for cell in column.to_pylist()]
            text = pa.chunked_array([pa.array(cells, pa.string())])
            wrong += sum("\ufffd" in cell for cell in cells)
        columns[name] = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
    if wrong:
        print(f"fields that are not UTF-8, with a sign in the place of each wrong byte: {wrong:,}")
    return pa.table(columns), lines


def _print_log(report: dict) -> None:
    print(f"read {report['rows']:,} rows of {report['users']:,} users")
    for reason, rows in report["rows_aside"].items():
        print(f"not scored {rows:,}: {reason}")
    if report["users_without_data"]:
        print(f"users whom the data does not know: {report['users_without_data']:,}")
    for name, count in report["behaviors"].items():
        twice = report["behaviors_in_data"][name]
        told = f", and {twice:,} that the data holds already" if twice else ""
        print(f"behaviors of {name!r} in the log: {count:,}{told}")
    for name, count in report["values_missing"].items():
        print(f"without a value of {name!r}: {count:,}")


def _known(data, part: str):
    """What prepared data knows of the rows of a part, as a table of Arrow."""
    import pandas as pd
    import pyarrow as pa

    from keras_din.cli.raw_columns import raw_column

    samples, users, columns = data.parts[part], data.user_values, {}
    taken = {feature.name for feature in (*data.spec.context, *data.spec.target)}
    taken |= set(data.spec.outputs)
    taken |= set() if users is None or users.name is None else {str(users.name)}

    def own(name: str) -> str:
        """The name of a column that the data adds, unlike those of features and outputs."""
        while name in taken:
            name += "_"
        return name

    if samples.line is not None:
        columns[own("line")] = pa.array(samples.line)
    if users is None:
        print("the data knows its users by number alone: it was prepared by an older version")
        columns[own("user")] = pa.array(samples.group)
    else:
        columns[own("user") if users.name is None else str(users.name)] = pa.array(
            pd.Series(users.take(samples.group)), from_pandas=True
        )
    for feature in (*data.spec.context, *data.spec.target):
        values = samples.columns[feature.name]
        column = raw_column(feature, values)
        columns.setdefault(feature.name, column)  # Of a user who is a feature, all values.
    if data.report.get("time_unit") == "order":
        columns[own("order")] = pa.array(samples.time)
    elif samples.time is not None:
        columns[own("time")] = pa.array(pd.to_datetime(samples.time, unit="us"))
    several = len(samples.labels) > 1
    for name, values in samples.labels.items():
        columns[own(name if several else "label")] = pa.array(values.astype("int8"))
    return pa.table(columns)


def _write(table, output) -> None:
    """The table as a Parquet file, or as CSV with lists as JSON."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    from keras_din.atomic_write import atomic_file

    with atomic_file(output) as path:
        if output.suffix == ".parquet":
            pa.parquet.write_table(table, path)
            return
        for i, field in enumerate(table.schema):
            if pa.types.is_nested(field.type):
                text = [
                    None if v is None else json.dumps(v, default=str, ensure_ascii=False)
                    for v in table.column(i).to_pylist()
                ]
                table = table.set_column(i, field.name, pa.array(text, pa.string()))
        pa.csv.write_csv(table, path, pa.csv.WriteOptions(quoting_style="needed"))


def _sequence(text: str) -> tuple:
    name, equals, column = text.partition("=")
    if not (name and equals and column):
        raise argparse.ArgumentTypeError(f"must be SEQUENCE=COLUMN. Received: {text!r}.")
    return name, column
