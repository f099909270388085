"""The command line `keras-din`: from a log to predictions."""

import argparse
import os
import re
import sys

from keras_din.checks import local_path
from keras_din.cli import (
    append,
    apply_delta,
    calibrate,
    check_serving,
    demo,
    evaluate,
    export,
    inspect,
    json_report,
    load,
    predict,
    prepare,
    report,
    rollback,
    runs,
    sample_request,
    train,
    update,
)
from keras_din.cli.once import without_repeated_options
from keras_din.cli.quiet_logs import quiet_logs
from keras_din.cli.terminal import drop_closed_streams, message
from keras_din.run_files import RUN
from keras_din.version import __version__

COMMANDS = {
    "demo": demo,
    "prepare": prepare,
    "load": load,
    "append": append,
    "train": train,
    "update": update,
    "runs": runs,
    "report": report,
    "calibrate": calibrate,
    "evaluate": evaluate,
    "export": export,
    "apply-delta": apply_delta,
    "rollback": rollback,
    "inspect": inspect,
    "sample-request": sample_request,
    "check-serving": check_serving,
    "predict": predict,
}

# Commands that do not read a run.
_WITHOUT_RUN = (
    "demo",
    "prepare",
    "load",
    "append",
    "train",
    "apply-delta",
    "inspect",
    "rollback",
    "runs",
    "sample-request",
)
# Commands whose output is JSON without `--json`.
_JSON = ("sample-request",)
# Errors about packages that are not installed name an extra of this one.
_EXTRA = "keras_din["

EXIT_CODES = {
    0: "success",
    1: "an error, or a difference that check-serving found: the message is on stderr",
    2: "wrong arguments",
    130: "interrupted, as with Ctrl+C",
    141: "the reader of the output has closed it, as in keras-din ... | head",
}
_EPILOG = """\
all steps:
  keras-din prepare log.csv data --user user_id --time ts --label click --target item_id
  keras-din train data run
  keras-din evaluate run
  keras-din export run exported_models/din

a demonstration:
  keras-din demo

exit codes:
{codes}

environment variables:
  NO_COLOR              no colors
  TF_CPP_MIN_LOG_LEVEL  0 shows the logs of TensorFlow, which are hidden by default
""".format(codes="\n".join(f"  {code:<3}  {meaning}" for code, meaning in EXIT_CODES.items()))


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    result = argparse.ArgumentParser(
        prog="keras-din",
        description="Click-through-rate models that read a user's behavior history, for Keras 3.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("--version", action="version", version=f"keras-din {__version__}")
    commands = result.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True
    )
    for name, command in COMMANDS.items():
        first_line = str(command.__doc__).splitlines()[0]
        sub = commands.add_parser(
            name,
            help=first_line[0].lower() + first_line[1:].rstrip("."),
            description=command.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(without_repeated_options(sub))
        if name in _JSON:
            sub.set_defaults(json=False)
        else:
            json_report.add_argument(sub)
        # `command.run` is looked up at the call, so that tests can replace it.
        sub.set_defaults(function=lambda options, command=command: command.run(options))
    return result


def _as_value(word: str) -> str:
    """Prepends a space to a word such as `-1=0`, which argparse would treat as an option."""
    return f" {word}" if re.match(r"-[0-9.]+=", word) else word


def main(arguments=None) -> int:
    """Runs a command.

    Args:
        arguments: The arguments after `keras-din`. Defaults to those of the process.

    Returns:
        The exit code, see `EXIT_CODES`.
    """
    words = sys.argv[1:] if arguments is None else arguments
    try:
        try:
            return _run(_parse(list(map(_as_value, words))))
        finally:  # A pipe that was closed is found here, also after `--help`.
            sys.stdout.flush()
    except BrokenPipeError as error:
        if drop_closed_streams():
            return 141
        return _fail(error)


def _run(options) -> int:
    """Runs a parsed command and returns the exit code."""
    try:
        with quiet_logs():
            if options.command not in _WITHOUT_RUN or getattr(options, "resume", False):
                _check_run(options.run)
            if options.json:
                json_report.run_with_json(options.function, options)
            else:
                options.function(options)
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        is_begun = options.command == "train" and os.path.isfile(os.path.join(options.run, RUN))
        hint = ": --resume continues the run" * is_begun
        print(f"keras-din: interrupted{hint}", file=sys.stderr)
        return 130
    except (ValueError, RuntimeError, OSError) as error:
        return _fail(error)
    except ImportError as error:
        if _EXTRA not in str(error):  # Not a package that the user may install.
            raise
        return _fail(error)
    return 0


def _fail(error: Exception) -> int:
    print(message("error", error), file=sys.stderr)
    return 1


def _parse(words: list) -> argparse.Namespace:
    """Parses the words of a command.

    argparse takes the optional `data` of `update RUN [DATA]` only directly after RUN. Here it may
    also stand after options.
    """
    command = parser()
    options, others = command.parse_known_args(words)
    is_data = len(others) == 1 and not others[0].startswith("-")
    if options.command == "update" and is_data and options.data is None:
        options.data, others = others[0], []
    if others:
        command.error(f"unrecognized arguments: {' '.join(others)}")
    return options


def _check_run(folder: str) -> None:
    """Raises an error if a folder is not a run, before Keras and TensorFlow are imported."""
    if not (local_path("folder", folder) / RUN).is_file():
        raise FileNotFoundError(f"`folder` must be the folder of a run. Received: {folder}.")
