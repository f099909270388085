"""`--json`: the report of a command as one JSON document on stdout, all other text on stderr."""

import contextlib
import json
import sys
from collections.abc import Callable

from keras_din.checks import json_values


class FailedCheckError(RuntimeError):
    """A check that failed, with the report that `--json` prints before the command fails.

    Args:
        message: The error.
        report: The report of the command.
    """

    def __init__(self, message: str, report: dict):
        super().__init__(message)
        self.report = report


def add_argument(parser) -> None:
    """Adds `--json` to the parser of a command."""
    parser.add_argument(
        "--json",
        action="store_true",
        default=False,
        help="print the report as one JSON document; all other text is on stderr",
    )


def run_with_json(run: Callable, options) -> None:
    """Runs a command and prints its report as JSON. NaN is null.

    Args:
        run: The function `run` of the command, which returns the report, a dict.
        options: The options of the command.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):
            report = run(options)
    except FailedCheckError as error:
        _print(error.report)
        raise
    _print(report)


def _print(report: dict) -> None:
    content = json_values("report", report, nulls=True)
    print(json.dumps(content, indent=1, ensure_ascii=False))
