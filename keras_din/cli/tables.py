"""Options for reading tables, which several commands share."""

import argparse


def add_csv(parser) -> None:
    """Adds the options for the format of CSV files."""
    parser.add_argument(
        "--sep",
        metavar="TEXT",
        help="separator of CSV files, such as `;` or `tab` (default: by file name)",
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
    """Adds the option for labels that are not 0 and 1."""
    parser.add_argument(
        "--label-map",
        type=labels,
        default={},
        metavar="VALUE=LABEL,...",
        help="map other values of the label: -1=0, or no=0,yes=1; =0 maps a missing label",
    )


def add_times(parser) -> None:
    """Adds the options for the format of times."""
    parser.add_argument("--time-unit", choices=("auto", "s", "ms", "us", "ns"), default="auto")
    parser.add_argument(
        "--time-format",
        metavar="FORMAT",
        help="format of times that are neither ISO 8601 nor since 1970: %%Y%%m%%d for 20220408",
    )


def names(text: str) -> list:
    """Parses `A,B` as a list."""
    return [name.strip() for name in text.split(",") if name.strip()]


def sequence_and_value(text: str) -> tuple:
    """Parses `SEQUENCE=VALUE` as a pair."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"must be SEQUENCE=VALUE. Received: {text!r}.")
    return name, value


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
