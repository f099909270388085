"""Reads rows that contain their histories, for commands that score them with a run."""


def add_arguments(parser) -> None:
    """Adds the option for histories that are text."""
    parser.add_argument(
        "--history-separator",
        metavar="TEXT",
        help="the separator of histories that are text (default: that of the data)",
    )


def read_rows_of_run(options, run, spec, source):
    """Reads rows with one column per input of the model of a run.

    Args:
        options: The options `data`, `history_separator`, `sequences`, `bags`, `separator` and
            `max_bad`. What is not given is that of the run's data.
        run: The folder of the run.
        spec: The features to read.
        source: The result of `as_source`.

    Returns:
        A frame, indexed by line or row number.
    """
    from keras_din.data.prepare.joins import column_names
    from keras_din.data.prepare.later_rows import is_text, read_later_rows
    from keras_din.data.reading.bad_share import MAX_BAD
    from keras_din.data.reading.source import to_frame
    from keras_din.training import read_arguments

    names = column_names(source)
    folder = options.data or read_arguments(run)["data"]
    sequences, separator = _histories(options, spec, folder)
    inputs = {name: name for name in spec.raw_inputs}
    for sequence in spec.sequences:
        for feature, column in sequences.get(sequence.name, {}).items():
            inputs[f"{sequence.name}_{feature}"] = column
    if lacking := [column for column in inputs.values() if column not in names]:
        raise ValueError(
            f"Rows that contain their histories must have a column for each input; {lacking} are "
            "missing. A raw log requires `--user` and `--time` of `keras-din predict`. "
            f"Received columns: {names}."
        )
    if not is_text(source) and separator is None and not sequences:
        return to_frame(source.read(list(spec.raw_inputs)))
    bags = bag_separators(options, spec, {sequence.name for sequence in spec.sequences}, folder)
    max_bad = MAX_BAD if options.max_bad is None else options.max_bad
    return read_later_rows(source, spec, sequences, separator, bags, max_bad)


def _histories(options, spec, folder) -> tuple:
    """Where the histories of rows are; what is not given is that of the data in a folder.

    Returns:
        `(sequences, separator)`: name of a sequence -> name of a feature -> its column, and the
        separator of text, or `None`.
    """
    from keras_din.data.prepare.prepared_data import read_report

    of_data = {} if folder is None else read_report(folder).get("histories", {})
    separator = options.history_separator
    separator = of_data.get("separator") if separator is None else separator
    sequences: dict[str, dict] = {}
    for sequence in spec.sequences:
        for feature, column in of_data.get("columns", {}).get(sequence.name, {}).items():
            if column != f"{sequence.name}_{feature}":
                sequences.setdefault(sequence.name, {})[feature] = column
    for name, column in options.sequences:
        found = [each for each in spec.sequences if name.startswith(f"{each.name}_")]
        if not found:
            raise ValueError(
                "For rows that contain their histories, `--sequences` must name an input of "
                f"behaviors and its column, such as hist_item=clicked. Received: {name}={column}."
            )
        feature = name.removeprefix(f"{found[0].name}_")
        sequences.setdefault(found[0].name, {})[feature] = column
    return sequences, separator


def bag_separators(options, spec, sequences, folder) -> dict:
    """The separator of each bag that is read from the log: the given one, else that of the data."""
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
            "`--separator` requires a model with features of several values. "
            f"Received: --separator {options.separator} and a model without such features."
        )
    if options.separator is not None:
        return dict.fromkeys(options.bags or bags, options.separator)
    of_data = read_report(folder).get("separators", {}) if folder is not None else {}
    return {name: of_data.get(name, SEPARATOR) for name in bags}
