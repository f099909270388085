"""The README: its Python code runs and prints the text below it, and its commands exist."""

import contextlib
import io
import pathlib
import re

import pytest

README = (pathlib.Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def examples():
    """Yields the Python blocks in order, each with the text block that follows it, or ''."""
    blocks = BLOCK.findall(README)
    for (kind, code), (next_kind, text) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if kind == "python":
            yield code, text if next_kind == "text" else ""


def normalize(text: str) -> str:
    """Replaces what depends on the machine: decimals and version numbers."""
    text = re.sub(r"\d+\.\d+", "0.0", text)
    return re.sub(r"\d{10}", "VERSION", text)


def test_python_blocks_print_the_text_blocks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for code, text in examples():
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "README.md", "exec"), names)
        assert normalize(printed.getvalue()) == normalize(text), code


def test_ci_runs_the_commands():
    run = (pathlib.Path(__file__).parent.parent / ".ci" / "run").read_text()
    for command in ("python -m pip install", "'.[test", "python -m pytest"):
        assert command in README
        assert command in run


@pytest.mark.parametrize("command", re.findall(r"^keras-din .*$", README, re.MULTILINE))
def test_commands_have_valid_options(command):
    from keras_din.cli import parser

    options = parser().parse_args(command.split()[1:])
    assert options.command in command
