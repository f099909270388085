"""Fixtures of the tests of commands."""

import sys

import pytest


@pytest.fixture
def stderr_is_terminal(capsys, monkeypatch):
    """Makes stderr a terminal on which no line is replaced, so there are no lines of progress."""
    # The type, since pytest creates the streams of `capsys` again before the test.
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda self: True)
    monkeypatch.setenv("TERM", "dumb")
