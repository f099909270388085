"""What the process of a command sets up: logs, warnings, colors, a closed pipe."""

import io
import logging
import os
import pathlib
import subprocess
import sys
import warnings

import pytest

from keras_din.cli import COMMANDS, EXIT_CODES, main, parser
from keras_din.cli.quiet_logs import quiet_logs, without_log_lines
from keras_din.cli.terminal import message

ROOT = pathlib.Path(__file__).parent.parent.parent
LINES = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795976940.485632    6751 port.cc:153] oneDNN custom operations are on.
W0000 00:00:1795976940.655016    6751 cpu_feature_guard.cc:227] This binary is optimized.
To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow.
E0000 00:00:1795976953.602051    6751 cuda_platform.cc:52] failed call to cuInit
2026-11-29 14:44:05.15: E external/xla/cuda/cuda_fft.cc:467] Unable to register cuFFT factory
Illegal instruction: 3] of a text without a level
"""


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self):
        return True


def without(name: str) -> dict:
    """The environment without a variable."""
    return {key: value for key, value in os.environ.items() if key != name}


def test_log_lines_are_removed_by_level():
    assert without_log_lines(LINES, "IWE").splitlines() == LINES.splitlines()[-1:]
    assert without_log_lines(LINES, "IW").splitlines() == LINES.splitlines()[-3:]
    kept = without_log_lines(LINES, "I").splitlines()
    assert kept == [line for line in LINES.splitlines() if not line.startswith("I0")]
    assert without_log_lines(LINES, "") == LINES


def test_no_color_and_files_have_no_colors(monkeypatch):
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    assert message("error", "x") == "keras-din: error: x"
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert message("error", "x") == "keras-din: \033[1;31merror:\033[0m x"
    monkeypatch.setenv("TERM", "dumb")
    assert message("error", "x") == "keras-din: error: x"
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert message("warning", "x") == "keras-din: warning: x"


def test_warnings_are_lines_of_the_command():
    logger = logging.getLogger("tensorflow")
    before = logger.level, warnings.formatwarning, list(sys.meta_path)
    with quiet_logs():
        line = warnings.formatwarning("nearly full", UserWarning, "file.py", 3)
        assert logger.level == logging.ERROR
    assert line == "keras-din: warning: nearly full\n"
    assert (logger.level, warnings.formatwarning, sys.meta_path) == before


def test_exit_codes_are_in_the_help():
    text = parser().format_help()
    for code, meaning in EXIT_CODES.items():
        assert f"  {code:<3}  {meaning}" in text


CLOSED = """
import sys
from keras_din.cli import COMMANDS, main

COMMANDS["demo"].run = lambda options: print("a report")
sys.exit(main(["demo"]))
"""


@pytest.mark.parametrize("words", [["-m", "keras_din", "--help"], ["-u", "keras-din"]])
def test_closed_pipe(words, tmp_path):
    """Same as `keras-din --help | head`, where `head` has ended; with and without a buffer."""
    (tmp_path / "keras-din").write_text(CLOSED)
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, *words],
        stdout=writer,
        stderr=subprocess.PIPE,
        env=without("PYTHONUNBUFFERED") | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_broken_connection_is_an_error(monkeypatch, capsys):
    def fail(options):
        raise BrokenPipeError("a worker has closed its connection")

    monkeypatch.setattr(COMMANDS["demo"], "run", fail)
    assert main(["demo"]) == 1
    assert capsys.readouterr().err == "keras-din: error: a worker has closed its connection\n"


def test_a_missing_package_is_an_error_and_a_wrong_import_is_not(monkeypatch, capsys):
    def fail(options):
        raise ImportError(options.data)

    monkeypatch.setattr(COMMANDS["append"], "run", fail)
    assert main(["append", "pip install 'keras_din[plots]'", "log"]) == 1
    assert "keras_din[plots]" in capsys.readouterr().err
    with pytest.raises(ImportError, match="no name"):
        main(["append", "no name", "log"])


@pytest.mark.slow
def test_nothing_is_printed_while_tensorflow_is_imported():
    done = subprocess.run(
        [sys.executable, "-m", "keras_din", "inspect", "nothing"],
        env=without("TF_CPP_MIN_LOG_LEVEL"),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("keras-din: error: `version` must be a folder")
    assert done.stderr.count("\n") == 1
