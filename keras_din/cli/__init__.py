"""The command line `keras-din`: from a log to predictions."""

import argparse
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
    load,
    predict,
    prepare,
    report,
    rollback,
    train,
    update,
)
from keras_din.version import __version__

COMMANDS = {
    "demo": demo,
    "prepare": prepare,
    "load": load,
    "append": append,
    "train": train,
    "update": update,
    "report": report,
    "calibrate": calibrate,
    "evaluate": evaluate,
    "export": export,
    "apply-delta": apply_delta,
    "rollback": rollback,
    "inspect": inspect,
    "check-serving": check_serving,
    "predict": predict,
}

# Commands that do not read a run.
_WITHOUT_RUN = ("demo", "prepare", "load", "append", "train", "apply-delta", "inspect", "rollback")


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    result = argparse.ArgumentParser(
        prog="keras-din",
        description="Click-through-rate models that read a user's behavior history, for Keras 3.",
        epilog="All steps: keras-din prepare log.csv data ..., keras-din train data run, "
        "keras-din evaluate run, keras-din export run exported_models/din. "
        "For a demonstration: keras-din demo.",
    )
    result.add_argument("--version", action="version", version=f"keras-din {__version__}")
    commands = result.add_subparsers(title="commands", dest="command", required=True)
    for name, command in COMMANDS.items():
        first_line = str(command.__doc__).splitlines()[0]
        sub = commands.add_parser(
            name,
            help=first_line[0].lower() + first_line[1:].rstrip("."),
            description=command.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(sub)
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
        The exit code: 0 for success, 1 if the command failed, 2 for invalid arguments, 130 if
        interrupted.
    """
    words = sys.argv[1:] if arguments is None else arguments
    options = _parse(list(map(_as_value, words)))
    try:
        if options.command not in _WITHOUT_RUN:
            _check_run(options.run)
        options.function(options)
    except KeyboardInterrupt:
        print("keras-din: interrupted", file=sys.stderr)
        return 130
    except (ValueError, RuntimeError, OSError) as error:
        print(f"keras-din: error: {error}", file=sys.stderr)
        return 1
    return 0


def _parse(words: list) -> argparse.Namespace:
    """Parses the words of a command.

    argparse takes the optional `data` of `update RUN [DATA]` only directly after RUN. Here it may
    also stand after options.
    """
    command = parser()
    options, others = command.parse_known_args(words)
    is_data = len(others) == 1 and not others[0].startswith("-")
    if is_data and getattr(options, "data", "") is None:
        options.data, others = others[0], []
    if others:
        command.error(f"unrecognized arguments: {' '.join(others)}")
    return options


def _check_run(folder: str) -> None:
    """Raises an error if a folder is not a run, before Keras and TensorFlow are imported."""
    if not (local_path("folder", folder) / "run.json").is_file():
        raise FileNotFoundError(f"`folder` must be the folder of a run. Received: {folder}.")
