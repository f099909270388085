"""`--json`: the report of a command as one JSON document on stdout.

The text that the command prints otherwise is on stderr if that is a terminal. In a file, or in the
mail of a scheduled command, it would look like an error.
"""

import contextlib
import json
import os
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
        help="print the report as one JSON document; if stderr is a terminal, the other text is "
        "there, else only errors and warnings",
    )


def run_with_json(run: Callable, options) -> None:
    """Runs a command and prints its report as JSON. NaN is null.

    Args:
        run: The function `run` of the command, which returns the report, a dict.
        options: The options of the command.
    """
    try:
        with _text_stream() as stream, contextlib.redirect_stdout(stream):
            report = run(options)
    except FailedCheckError as error:
        _print(error.report)
        raise
    _print(report)


def _text_stream():
    """The stream for the text of a command: stderr if that is a terminal, else nowhere."""
    if sys.stderr.isatty():
        return contextlib.nullcontext(sys.stderr)
    return open(os.devnull, "w", encoding="utf-8")


def _print(report: dict) -> None:
    content = json_values("report", report, nulls=True)
    print(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False))
