"""Hides the logs of TensorFlow in the process of a command; warnings are lines of the command."""

import contextlib
import os
import re
import sys
import warnings
from collections.abc import Iterator

from keras_din.cli.phases import phase
from keras_din.cli.terminal import message


@contextlib.contextmanager
def quiet_logs() -> Iterator[None]:
    """Hides the logs of TensorFlow, and prints a warning as one line of the command.

    It must be entered before TensorFlow is imported. Errors of TensorFlow are exceptions, which are
    not hidden. The environment variable `TF_CPP_MIN_LOG_LEVEL` is set to 3, unless it is set: 0
    shows all lines.
    """
    import logging  # Imported here, so that the help of a command is fast.

    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    hidden = "IWEF"[: int(level)] if level.isdecimal() else ""
    logger, of_warnings = logging.getLogger("tensorflow"), warnings.formatwarning
    of_logger = logger.level
    if "W" in hidden:
        logger.setLevel(logging.ERROR)
    warnings.formatwarning = lambda text, *_, **__: f"{message('warning', text)}\n"
    finder = _QuietTensorFlow(hidden)
    if hidden:
        sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
        warnings.formatwarning = of_warnings
        logger.setLevel(of_logger)


class _QuietTensorFlow:
    """An entry of `sys.meta_path` that hides lines that TensorFlow writes while it is imported.

    TensorFlow reads `TF_CPP_MIN_LOG_LEVEL` only after it has written some of them.

    Args:
        hidden: The letters of the levels whose lines are hidden, such as `"IW"`.
    """

    def __init__(self, hidden: str):
        self.hidden = hidden

    def find_spec(self, fullname, path=None, target=None):
        if fullname != "tensorflow":
            return None
        import importlib.util

        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_quietly(module):
                with phase("import TensorFlow"), _without_lines(self.hidden):
                    execute(module)

            spec.loader.exec_module = execute_quietly  # type: ignore[method-assign]
        return spec


@contextlib.contextmanager
def _without_lines(hidden: str) -> Iterator[None]:
    """Keeps what is written to file descriptor 2, then writes it without log lines.

    Native code writes to the file descriptor, not to `sys.stderr`. If the import fails, all lines
    are written.
    """
    import tempfile

    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            kept.seek(0)
            text = kept.read().decode(errors="replace")
            sys.stderr.write(text if failed else without_log_lines(text, hidden))


# `I0000 00:00:1795976940.485632    6751 port.cc:153] ...`, or with the date and time before `I`.
_LOG_LINE = re.compile(
    r"(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: )?([IWEF])(?:\d{4} | )[^]]*:\d+\] "
)
_ABOUT_LOGS = ("WARNING: All log messages before absl", "To enable the following instructions")


def without_log_lines(text: str, hidden: str) -> str:
    """Removes the log lines of native code from a text.

    Args:
        text: The text.
        hidden: The letters of the levels that are removed: info, warning, error, fatal.
    """
    kept = []
    for line in text.splitlines(keepends=True):
        found = _LOG_LINE.match(line)
        level = found[1] if found else "W" if line.startswith(_ABOUT_LOGS) else "-"
        if level not in hidden:
            kept.append(line)
    return "".join(kept)
