"""The line of a phase: on a terminal it is replaced, in a file it does not exist."""

import io
import sys

import pytest

from keras_din.cli import phases
from keras_din.cli.phases import phase
from keras_din.cli.training_progress import TrainingProgress


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self):
        return True


def a_terminal(monkeypatch):
    """One terminal for stdout and stderr, with a clock that stands still."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(phases.time, "monotonic", lambda: 7.0)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    return stream


def test_text_is_above_the_line(monkeypatch):
    terminal = a_terminal(monkeypatch)
    with phase("load") as show:
        print("a note")
        show(": half")
        sys.stdout.write("a text ")
        sys.stdout.write("in parts\n")
    assert sys.stdout is terminal
    line = "    0.0 s  load"
    lines = terminal.getvalue().split("\r\033[K")
    assert lines[1:3] == [line, "a note\n"]
    assert "a text in parts\n" in terminal.getvalue()
    assert lines[-1] == f"{line}: half\n"


def test_a_phase_that_fails_leaves_no_line(monkeypatch):
    terminal = a_terminal(monkeypatch)
    with pytest.raises(ValueError, match="wrong"), phase("load"):
        raise ValueError("wrong")
    assert terminal.getvalue() == "\r\033[K    0.0 s  load\r\033[K"
    assert sys.stderr is terminal


def test_a_long_line_is_cut_and_an_inner_phase_is_not_shown(monkeypatch):
    terminal = a_terminal(monkeypatch)
    with phase("x" * 100), phase("inner"):
        pass
    first = terminal.getvalue().split("\r\033[K")[1]
    assert first == ("    0.0 s  " + "x" * 100)[:39]
    assert "inner" not in terminal.getvalue()


def test_a_file_has_no_line(capsys):
    with phase("load") as show:
        show(": half")
        print("a note")
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("a note\n", "")


def test_stdout_may_be_a_file(monkeypatch):
    terminal, file = a_terminal(monkeypatch), io.StringIO()
    monkeypatch.setattr(sys, "stdout", file)
    with phase("load"):
        print("a note")
        # The text may be on the terminal too: `keras-din ... | tee file`.
        assert terminal.getvalue().endswith("\r\033[K")
    assert file.getvalue() == "a note\n"
    assert "a note" not in terminal.getvalue()


def test_steps_of_training():
    shown = []
    progress = TrainingProgress(shown.append)
    progress.set_params({"epochs": 3, "steps": None})
    progress.on_epoch_begin(1)
    progress.on_train_batch_end(9, {"loss": 0.5})
    progress.on_train_batch_end(10, {"loss": 0.5})  # Too soon.
    progress.set_params({"epochs": 3, "steps": 2000})
    progress.shown = 0
    progress.on_train_batch_end(1999, {"loss": 0.25})
    progress.on_epoch_end(1, {"loss": 0.125})
    assert shown == [
        ": epoch 2 of 3, step 10, loss 0.5000",
        ": epoch 2 of 3, step 2,000 of 2,000, loss 0.2500",
        ": epoch 2 of 3, loss 0.1250",
    ]
