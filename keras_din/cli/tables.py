"""Options for reading tables, which several commands share."""

import argparse

from keras_din.checks import local_path


def add_csv(parser) -> None:
    """Adds the options for the format of CSV files."""
    parser.add_argument(
        "--sep",
        metavar="TEXT",
        help="separator of CSV files, such as `;`, `::` or `tab` (default: by file name)",
    )
    parser.add_argument(
        "--names", type=names, metavar="A,B", help="column names of a CSV file without a header"
    )
    parser.add_argument(
        "--header",
        action="store_true",
        default=None,
        help="the CSV file has a header, which --names replaces",
    )


def add_labels(parser) -> None:
    """Adds the options for labels that are not 0 and 1."""
    parser.add_argument(
        "--label-map",
        type=labels,
        default={},
        metavar="VALUE=LABEL,...",
        help="map other values of the label: -1=0, or no=0,yes=1; =0 maps a missing label",
    )
    parser.add_argument(
        "--label-map-of",
        type=_labels_of,
        action="append",
        default=[],
        metavar="LABEL:VALUE=LABEL,...",
        help="same as --label-map for one of several labels, as in buy:=0; repeatable",
    )


def add_label_options(parser) -> None:
    """Adds the option for the arguments of labels."""
    parser.add_argument(
        "--label-option",
        type=_label_option,
        action="append",
        default=[],
        metavar="LABEL:NAME=VALUE,...",
        help="arguments of a label: loss (binary_crossentropy, or weighted_logistic, poisson, "
        "huber or mse for numbers), weight, given, output, delta of huber, as in "
        "watch:loss=poisson,weight=0.5; "
        "repeatable (default: those of the spec.json of --spec)",
    )


def add_times(parser) -> None:
    """Adds the options for the format of times."""
    parser.add_argument(
        "--time-unit",
        choices=("auto", "s", "ms", "us", "ns"),
        default="auto",
        help="unit of times that are numbers since 1970: seconds to nanoseconds (default auto: "
        "detected by their size)",
    )
    parser.add_argument(
        "--time-format",
        metavar="FORMAT",
        help="format of times that are neither ISO 8601 nor since 1970: %%Y%%m%%d for 20220408",
    )


def one_or_many(paths: list):
    """Returns the only path of a list, or the list: a table may be one file or several.

    Raises:
        ValueError: If one of them is an address such as `s3://bucket/log.csv`.
    """
    for path in paths:
        local_path("source", path)
    return paths[0] if len(paths) == 1 else paths


def names(text: str) -> list:
    """Parses `A,B` as a list."""
    return [name.strip() for name in text.split(",") if name.strip()]


def sequence_and_value(text: str) -> tuple:
    """Parses `SEQUENCE=VALUE` as a pair."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"must be SEQUENCE=VALUE. Received: {text!r}.")
    return name, value


def label_map(options) -> dict:
    """Returns the argument `label_map` of both options."""
    by_label: dict[str, dict] = {}
    for name, of_label in options.label_map_of:
        by_label[name] = by_label.get(name, {}) | of_label
    if by_label and options.label_map:
        raise ValueError(
            "`--label-map` must not be given with `--label-map-of`. Received: "
            f"{options.label_map} and {by_label}."
        )
    return by_label or options.label_map


def label_objects(options, of_spec: tuple):
    """Returns the argument `label`, with `Label` objects where a label has options.

    Args:
        options: The options of the command: `label` and `label_option`.
        of_spec: The labels of the `spec.json` of `--spec`.

    Raises:
        ValueError: If an option names no label, or is not valid.
    """
    from keras_din.features import DEFAULT_LABEL, Label

    given: dict[str, dict] = {}
    for name, arguments in options.label_option:
        given[name] = given.get(name, {}) | arguments
    known = {label.name: label for label in of_spec}
    columns = options.label
    if isinstance(columns, str):
        only = next(iter(known), DEFAULT_LABEL) if len(known) < 2 else DEFAULT_LABEL
        columns = {columns if columns in given else only: columns}
    elif not isinstance(columns, dict):
        columns = {name: name for name in columns or ()}
    if unknown := [name for name in given if name not in columns]:
        raise ValueError(
            f"`--label-option` must name labels of `--label`: {list(columns)}. Received: {unknown}."
        )
    if not given and not known.keys() & columns.keys():
        return options.label
    return {
        Label(**(known.get(name, Label(name)).to_dict() | given.get(name, {}))): column
        for name, column in columns.items()
    }


def _label_option(text: str) -> tuple:
    """Parses `LABEL:NAME=VALUE,...` as the name of a label and a dict."""
    name, colon, pairs = text.partition(":")
    arguments: dict = {}
    for pair in names(pairs):
        argument, equals, value = pair.partition("=")
        if argument not in ("loss", "weight", "given", "output", "delta") or not equals:
            name = ""
            break
        arguments[argument] = value
    try:
        for argument in {"weight", "delta"} & arguments.keys():
            arguments[argument] = float(arguments[argument])
    except ValueError:
        name = ""
    if not name or not colon or not arguments:
        raise argparse.ArgumentTypeError(
            "must be the name of a label and some of loss, weight, given, output and delta, as in "
            f"watch:loss=poisson,weight=0.5. Received: {text!r}."
        )
    return name, arguments


def _labels_of(text: str) -> tuple:
    """Parses `LABEL:VALUE=LABEL,...` as the name of a label and a dict."""
    name, colon, pairs = text.partition(":")
    if not name or not colon:
        raise argparse.ArgumentTypeError(
            f"must be the name of a label and its values, as in buy:=0. Received: {text!r}."
        )
    return name, labels(pairs)


def labels(text: str) -> dict:
    """Parses `VALUE=LABEL,...` as a dict, with `None` for an empty value."""
    label_map = {}
    for pair in text.strip().split(","):
        value, equals, label = pair.rpartition("=")
        if not equals or label not in ("0", "1"):
            raise argparse.ArgumentTypeError(
                f"must be VALUE=0 or VALUE=1, separated by commas. Received: {text!r}."
            )
        label_map[value or None] = int(label)
    return label_map
