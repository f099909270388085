"""Predict click-through rates with a trained model, and write them next to the input rows.

The input is a raw log, rows that contain their histories, or prepared data. All columns of a file
are copied unchanged, and `ctr` is added as the last column. For a model with several labels, one
column per output is added. If a copied column has the name of an output, such as a label `buy` with
the output `buy`, the scores are in `buy_`.

A raw log (CSV, JSON lines, Parquet, Arrow or ORC) has one row per impression, like the log that was
prepared.
It may be several files of one format, a quoted pattern or a folder. The output has their rows in
the order of the names of the files.
The history of a row consists of the user's behaviors in the run's data and of the log's clicks
(see --label), strictly before the row. An invalid line of a CSV file, for instance with a wrong
number of fields, is counted and left out of the output.

Rows that contain their histories, or have none, have one column per input of the model. Histories
are list columns, or text with the separator of the data (or --history-separator).

For prepared data the output has `line` (the position of the row in the prepared log), the user,
and the context and candidate features. A value outside the vocabulary is empty, because the data
does not keep it; join by `line` to get it. If a feature is named `line`, `time` or `label`, the
column that the command adds is named `line_` and so on.

`ctr` is the click rate of the log: the effects of --positive-weight and of downsampled negatives
on the odds are undone. With --raw they are not. For a model with a `Position`, it is the output
without the position, which an exported version has, and the input needs no column of it.

  keras-din predict runs/din log.csv ctr.csv --user user_id --time ts --label click
  keras-din predict runs/din rows.parquet ctr.parquet
  keras-din predict runs/din data ctr.csv --part test
"""

import json
import pathlib

from keras_din.cli import rows_of_run, tables
from keras_din.cli.phases import phase
from keras_din.cli.show import missing_numbers
from keras_din.count_text import count_text

OUTPUTS = (".csv", ".parquet")
# The options of a raw log and their defaults.
LOG_DEFAULTS: dict = {
    "user": None,
    "time": None,
    "label": None,
    "sequences": [],
    "request": None,
    "items": None,
    "users": None,
    "bags": [],
    "separator": None,
    "sep": None,
    "names": None,
    "header": None,
    "label_map": {},
    "label_map_of": [],
    "time_unit": "auto",
    "time_format": None,
    "max_bad": None,
    "data": None,
    "log_only": False,
    "history_separator": None,
}
# Those of them that rows with histories accept.
ROWS_OPTIONS = {"sequences", "bags", "separator", "sep", "names", "header", "max_bad", "data"}
ROWS_OPTIONS |= {"history_separator"}


def add_arguments(parser):
    """Adds the arguments of the command."""
    parser.add_argument("run", help="the folder of a run")
    parser.add_argument(
        "input",
        nargs="+",
        help="CSV, JSON lines, Parquet, Arrow or ORC files, a folder or pattern of such files, or "
        "prepared data",
    )
    parser.add_argument("output", help="a .csv or .parquet file, one row per row of the input")
    parser.add_argument("--part", help="the part of prepared data (default test)")
    parser.add_argument(
        "--batch-size", type=int, default=4096, help="rows per batch (default 4096)"
    )
    parser.add_argument(
        "--columns",
        type=tables.names,
        metavar="A,B",
        help="the columns of the input to copy (default all)",
    )
    parser.add_argument(
        "--raw", action="store_true", help="write the model's raw output, with nothing undone"
    )
    rows = parser.add_argument_group("rows that contain their histories")
    rows_of_run.add_arguments(rows)
    log = parser.add_argument_group("a raw log")
    log.add_argument("--user", metavar="COLUMN", help="the user; required for a raw log")
    log.add_argument("--time", metavar="COLUMN", help="the time; required for a raw log")
    log.add_argument(
        "--label",
        metavar="COLUMN",
        help="0 or 1: the rows with 1 are behaviors of later rows, for a model with one sequence "
        "(default: no rows, histories come from the data alone)",
    )
    log.add_argument(
        "--sequences",
        type=tables.sequence_and_value,
        action="append",
        default=[],
        metavar="SEQUENCE=COLUMN",
        help="same as --label, for a sequence by its name; repeatable. For rows that contain their "
        "histories, an input and its column, as in hist_item=clicked (default: that of the data)",
    )
    log.add_argument("--request", metavar="COLUMN", help="the request of an impression")
    log.add_argument("--items", metavar="FILE", help="one row per item, with its features")
    log.add_argument("--users", metavar="FILE", help="one row per user, with their features")
    log.add_argument(
        "--bags",
        type=tables.names,
        default=[],
        metavar="A,B",
        help="the bags of the model to which --separator applies (default all)",
    )
    log.add_argument(
        "--separator",
        metavar="TEXT",
        help="the separator of the values of bags (default: that of the data, else |)",
    )
    tables.add_csv(log)
    tables.add_labels(log)
    tables.add_times(log)
    log.add_argument(
        "--max-bad",
        type=float,
        metavar="SHARE",
        help="the largest share of invalid lines that is not an error (default 0.01)",
    )
    history = log.add_mutually_exclusive_group()
    history.add_argument(
        "--data", metavar="FOLDER", help="prepared data with the histories (default: the run's)"
    )
    history.add_argument(
        "--log-only", action="store_true", help="take histories from the log only, not from data"
    )


def run(options) -> dict:
    """Scores every row and writes it with the model's outputs. Returns their means."""
    import pyarrow.compute as pc

    from keras_din.checks import local_path

    output, source = local_path("output", options.output), tables.one_or_many(options.input)
    if output.suffix not in OUTPUTS:
        raise ValueError(f"`output` must end in .csv or .parquet. Received: {output}.")
    if output.is_dir() or not output.parent.is_dir():
        raise ValueError(f"`output` must be a file in a folder that exists. Received: {output}.")
    is_prepared = _is_prepared(source)
    _check_words(options, source, is_prepared)
    with phase("predict"):
        if is_prepared:
            rates, table, scores = _of_prepared(options, source)
        elif options.user is None:
            rates, table, scores = _of_rows(options, source)
        else:
            rates, table, scores = _of_log(options, source)
    columns = _score_columns(scores, table.column_names)
    for name, values in scores.items():
        table = table.append_column(columns[name], values)
    _write(table, output)
    print(rates.describe())
    missing = next(iter(scores.values())).null_count
    line = f"written: {output}, {count_text(len(table), 'row')}"
    line += f", {missing:,} of them not scored" if missing else ""
    means = {columns[name]: pc.mean(values).as_py() for name, values in scores.items()}
    for column, mean in means.items():
        line += "" if mean is None else f", mean {column} {mean:.4f}"
    print(line)
    return {"output": str(output), "rows": len(table), "not_scored": missing, "means": means}


def _is_prepared(source) -> bool:
    """Whether the input is a folder of prepared data. Any other folder contains files."""
    from keras_din.data.prepare.prepared_data import HEADER, SHARDS_HEADER

    if isinstance(source, str) and (pathlib.Path(source) / SHARDS_HEADER).is_file():
        raise ValueError(
            "The input must be one shard, such as shard-00000-of-00064, not a folder of shards. "
            f"Received: {source}."
        )
    return isinstance(source, str) and (pathlib.Path(source) / HEADER).is_file()


def _check_words(options, source, is_prepared: bool) -> None:
    """Raises a `ValueError` if an option does not apply to this kind of input."""
    log_options = [
        name for name, default in LOG_DEFAULTS.items() if getattr(options, name) != default
    ]
    words = ", ".join(f"--{name.replace('_', '-')}" for name in log_options)
    if is_prepared and log_options:
        raise ValueError(
            "The options of a raw log require a raw log as input. "
            f"Received: {words} and the folder {source} of prepared data."
        )
    is_log = {"user", "time", "label", "request"} & {*log_options}
    if options.user is None and not {*log_options} <= ROWS_OPTIONS:
        raise ValueError(f"A raw log requires `--user` and `--time`. Received: only {words}.")
    if is_log and "history_separator" in log_options:
        raise ValueError(
            "`--history-separator` is for rows that contain their histories, without `--user`. "
            f"Received: {words}."
        )
    if is_log and options.time is None:
        raise ValueError("A raw log requires `--user` and `--time`. Received: only --user.")
    if options.part is not None and not is_prepared:
        raise ValueError(
            f"`--part` requires prepared data, which is a folder. Received: --part and {source}."
        )


def _copied_columns(options, names: list) -> list:
    """The columns of the input to copy, checked before rows are scored."""
    copied = names if options.columns is None else options.columns
    if lacking := [name for name in copied if name not in names]:
        raise ValueError(
            f"`--columns` must name columns of the input: {names}. Received: {lacking}."
        )
    return copied


def _score_columns(outputs, copied: list) -> dict:
    """Returns the name of each output -> the name of its column, and prints names that differ."""
    from keras_din.features.names import unused_name

    columns: dict[str, str] = {}
    for output in outputs:
        others = {*outputs, *columns.values()} - {output}
        columns[output] = unused_name(output, {*copied, *others})
        if columns[output] != output:
            print(
                f"the scores of the output {output!r} are in the column {columns[output]!r}, "
                f"because the input has a column {output!r}"
            )
    return columns


def _scores(options, run, dataset):
    """Returns the click rates of the run, and the name of each output -> its scores."""
    from keras_din.evaluation import predict
    from keras_din.factors import with_factors
    from keras_din.outputs import by_output
    from keras_din.training import run_click_rates
    from keras_din.without_position import without_position

    rates = run_click_rates(run, options.raw)
    model, spec = without_position(run.model, run.spec)
    model = with_factors(rates.model(model), spec)
    predictions = predict(model, dataset).predictions
    return rates, by_output(predictions, spec.served_outputs)


def _of_prepared(options, folder):
    """Scores a part of prepared data; returns `(rates, table, scores)`."""
    import dataclasses

    import pyarrow as pa

    from keras_din.checks import one_of
    from keras_din.cli.evaluate import load

    run, data = load(options.run, folder)
    part = one_of("part", options.part or "test", tuple(data.parts))
    table = _table_of_part(data, part)
    table = table.select(_copied_columns(options, table.column_names))
    data = dataclasses.replace(data, spec=data.spec.without_position())
    rates, scores = _scores(options, run, data.dataset(part, options.batch_size))
    return rates, table, {n: pa.array(values, pa.float32()) for n, values in scores.items()}


def _of_rows(options, path):
    """Scores rows that contain their histories; returns `(rates, table, scores)`."""
    from keras_din.cli.rows_of_run import read_rows_of_run
    from keras_din.data import rows_dataset
    from keras_din.data.prepare.joins import column_names
    from keras_din.data.reading.source import as_source
    from keras_din.training import load_run

    source = as_source(path, options.sep, options.header, options.names)
    run, copied = load_run(options.run), _copied_columns(options, column_names(source))
    spec = run.spec.without_position()
    frame = read_rows_of_run(options, run.folder, spec, source)
    rows = rows_dataset(frame, spec, None, options.batch_size)
    print(missing_numbers(rows), end="")
    rates, scores = _scores(options, run, rows)
    return rates, *_beside_rows(source, copied, frame.index.to_numpy(), scores)


def _of_log(options, path):
    """Scores a raw log; returns `(rates, table, scores)`, with null for rows without a score."""
    from keras_din.cli.evaluate import check_data
    from keras_din.cli.rows_of_run import bag_separators
    from keras_din.data import PreparedData, dataset
    from keras_din.data.prepare.joins import column_names
    from keras_din.data.prepare.scoring import log_to_samples
    from keras_din.data.reading.bad_share import MAX_BAD
    from keras_din.data.reading.source import as_source
    from keras_din.training import load_run, read_arguments

    source = as_source(path, options.sep, options.header, options.names)
    run = load_run(options.run)
    copied = _copied_columns(options, column_names(source))
    folder = options.data or read_arguments(options.run)["data"]
    if folder is None and not options.log_only:
        raise ValueError(
            "A run without `data_folder` requires `--data` or `--log-only` for its histories. "
            f"Received: {options.run}."
        )
    data = None if options.log_only else PreparedData.load(folder)
    if data is not None:
        check_data(run, options.run, data, folder)
    sequences = dict(options.sequences)
    if options.label:
        _check_label(options.label, column_names(source))
        if len(run.spec.sequences) != 1:
            raise ValueError(
                "`--label` requires a model with one sequence; use `--sequences` for "
                f"{[sequence.name for sequence in run.spec.sequences]}. Received: --label."
            )
        sequences = {run.spec.sequences[0].name: options.label} | sequences
    spec = run.spec.without_position()
    log = log_to_samples(
        source,
        spec,
        data,
        user=options.user,
        time=options.time,
        sequences=sequences,
        request=options.request,
        items=options.items,
        users=options.users,
        bags=bag_separators(options, spec, sequences, folder),
        time_unit=options.time_unit,
        time_format=options.time_format,
        sep=options.sep,
        header=options.header,
        names=options.names,
        label_map=tables.label_map(options),
        max_bad=MAX_BAD if options.max_bad is None else options.max_bad,
    )
    _print_log(log.report)
    rows = dataset(spec, log.behaviors, log.samples, options.batch_size)
    rates, scores = _scores(options, run, rows)
    return rates, *_beside_rows(source, copied, log.samples.line, scores)


def _check_label(label: str, names: list) -> None:
    """Raises a `ValueError` if `--label` is a list of labels, as `keras-din prepare` accepts it."""
    if label not in names and {",", "="} & {*label}:
        raise ValueError(
            "`--label` must be one column, in which 1 marks a behavior of later rows, such as "
            f"`--label {label.split(',')[0].rpartition('=')[2]}`. Other labels are not needed to "
            "predict. For a model with several sequences, pass `--sequences SEQUENCE=COLUMN` for "
            f"each. Received: --label {label}."
        )


def _beside_rows(source, copied: list, line, scores: dict) -> tuple:
    """Returns `(table, scores)`: columns of the input, and the scores of its rows, null if none.

    Args:
        source: The input.
        copied: Names of the columns.
        line: The line, or the row number, of each scored row `(rows,)`.
        scores: Name of each output -> `(rows,)`.
    """
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from keras_din.data.reading.source import is_csv

    table, lines = _fields(source, copied) if is_csv(source) else _typed(source, copied)
    line = line if lines is None else pd.Index(lines).get_indexer(line)
    is_copied = line >= 0  # A line of JSON may be bad only because of another column.
    line = line[is_copied]
    known = np.zeros(len(table), bool)
    known[line] = True
    columns = {}
    for name, of_rows in scores.items():
        values = np.zeros(len(table), np.float32)
        values[line] = of_rows[is_copied]
        columns[name] = pa.array(values, pa.float32(), mask=~known)
    return table, columns


def _fields(file, names: list):
    """Reads columns of a CSV file unchanged, as text, and the line of each row.

    An empty field is null. In text that is not UTF-8, a replacement character stands for each wrong
    byte. The numbers of bad lines and fields are printed.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from keras_din.data.reading.csv_file import CsvFile, read_csv

    read = None
    if isinstance(file, CsvFile):
        table, lines, bad = read_csv(file, names, names)
    else:
        read = file.read_rows(names, dict.fromkeys(names, "text"), only_utf8=False)
        table, lines, bad = pa.table(read.columns), read.lines, read.bad_lines
    _print_bad_lines(bad, None if read is None else read.files)
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
        print(f"fields that are not UTF-8, with a replacement for each wrong byte: {wrong:,}")
    return pa.table(columns), lines


def _typed(source, names: list) -> tuple:
    """Reads columns of a table that is not CSV, and the line of each row, `None` for its number.

    The numbers of bad lines are printed.
    """
    import pyarrow as pa

    from keras_din.data.reading.source import ArrowSource

    if isinstance(source, ArrowSource):
        table, lines, bad = source.read_lines(names)
        _print_bad_lines(bad, None)
        return table, lines
    read = source.read_rows(names, {}, only_utf8=False)
    _print_bad_lines(read.bad_lines, read.files)
    return pa.table(read.columns), read.lines


def _print_bad_lines(bad: list, files) -> None:
    """Prints how many lines are no rows, and the first of them. `files` are several files."""
    from keras_din.data.reading.file_lines import describe_place

    if bad:
        line, reason = bad[0]
        place = {"line": line} if files is None else files.place(line)
        print(
            f"not scored {count_text(len(bad), 'invalid line')}: "
            f"{describe_place(**place)} has {reason}"
        )


def _print_log(report: dict) -> None:
    print(f"read {count_text(report['rows'], 'row')} of {count_text(report['users'], 'user')}")
    for reason, rows in report["rows_aside"].items():
        print(f"not scored {rows:,}: {reason}")
    if report["users_without_data"]:
        print(f"users who are not in the data: {report['users_without_data']:,}")
    for name, count in report["behaviors"].items():
        twice = report["behaviors_in_data"][name]
        known = f", and {twice:,} that the data already contains" if twice else ""
        print(f"behaviors of {name!r} in the log: {count:,}{known}")
    for name, count in report["values_missing"].items():
        print(f"without a value of {name!r}: {count:,}")


def _table_of_part(data, part: str):
    """The rows of a part of prepared data as an Arrow table of raw values."""
    import pandas as pd
    import pyarrow as pa

    from keras_din.cli.raw_columns import raw_column
    from keras_din.features.names import unused_name

    samples, users = data.parts[part], data.user_values
    columns: dict = {}
    features = [part for f in (*data.spec.context, *data.spec.target) for part in f.parts]
    used_names = {feature.name for feature in features}
    used_names |= set() if users is None or users.name is None else {str(users.name)}

    def unique(name: str) -> str:
        """The name of an added column, which no feature and no other column has."""
        return unused_name(name, used_names | columns.keys())

    if samples.line is not None:
        columns[unique("line")] = pa.array(samples.line)
    if users is None:
        print("the data has only numbers of users: it was prepared by an older version")
        columns[unique("user")] = pa.array(samples.group)
    else:
        columns[unique("user") if users.name is None else str(users.name)] = pa.array(
            pd.Series(users.take(samples.group)), from_pandas=True
        )
    for feature in features:
        if feature.name not in samples.columns:
            continue  # It is computed. The times are a column of their own.
        values = samples.columns[feature.name]
        column = raw_column(feature, values)
        # If the user is a feature too, the column above has all its values.
        columns.setdefault(feature.name, column)
    if data.report.get("time_unit") == "order":
        columns[unique("order")] = pa.array(samples.time)
    elif samples.time is not None:
        columns[unique("time")] = pa.array(pd.to_datetime(samples.time, unit="us"))
    labels = data.spec.labels
    for label in labels:
        column = unique(label.name if len(labels) > 1 else "label")
        values = pa.array(samples.labels[label.name], from_pandas=True)  # NaN is missing.
        columns[column] = values.cast(pa.int8()) if label.is_binary else values
    return pa.table(columns)


def _write(table, output) -> None:
    """Writes a table as a Parquet file, or as CSV with lists as JSON."""
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
