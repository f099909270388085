"""Words of the command line that say how tables are read, the same for all commands."""

import argparse


def add_csv(parser) -> None:
    """How CSV files are written."""
    parser.add_argument(
        "--sep", metavar="TEXT", help="separator of CSV files, `;` or `tab` (default by name)"
    )
    parser.add_argument(
        "--names", type=names, metavar="A,B", help="columns of a CSV file without a header"
    )


def add_labels(parser) -> None:
    """What values of the label mean."""
    parser.add_argument(
        "--label-map",
        type=labels,
        default={},
        metavar="VALUE=LABEL,...",
        help="what other values of the label mean: -1=0, or no=0,yes=1; =0 is of a missing one",
    )


def add_times(parser) -> None:
    """How times are written."""
    parser.add_argument("--time-unit", choices=("auto", "s", "ms", "us", "ns"), default="auto")
    parser.add_argument(
        "--time-format",
        metavar="FORMAT",
        help="of times that are neither ISO 8601 nor since 1970: %%Y%%m%%d for 20220408",
    )


def names(text: str) -> list:
    """`A,B` as a list."""
    return [name.strip() for name in text.split(",") if name.strip()]


def labels(text: str) -> dict:
    """`VALUE=LABEL,...` as a dict, with `None` where there is no value."""
    label_map = {}
    for pair in text.strip().split(","):
        value, equals, label = pair.rpartition("=")
        if not equals or label not in ("0", "1"):
            raise argparse.ArgumentTypeError(
                f"must be VALUE=0 or VALUE=1, with commas between. Received: {text!r}."
            )
        label_map[value or None] = int(label)
    return label_map
