"""The README and the pages of the site: their code runs and prints the text below it."""

import pathlib
import shlex

import pytest

from docs.run_page import PICTURES, commands, name_of, pages, pictures, run_page, same, steps

ROOT = pathlib.Path(__file__).parent.parent.parent
TEXTS = {name_of(page): page.read_text(encoding="utf-8") for page in pages()}


@pytest.mark.parametrize("name", [name for name, text in TEXTS.items() if steps(text)])
def test_page_prints_its_texts(name, tmp_path):
    for step, printed in run_page(ROOT / name, tmp_path):
        if step.language == "python" or step.place:
            assert same(step.text, printed), f"{step.code}\nprinted\n{printed}"


@pytest.mark.parametrize("command", sorted({c for text in TEXTS.values() for c in commands(text)}))
def test_commands_have_valid_options(command):
    from keras_din.cli import parser

    options = parser().parse_args(shlex.split(command, comments=True)[1:])
    assert options.command in command


def test_each_picture_is_made_by_one_page():
    made = [picture for text in TEXTS.values() for picture in pictures(text)]
    assert sorted(made) == sorted(path.name for path in PICTURES.iterdir())


@pytest.mark.parametrize(
    "text, printed, expected",
    [
        ("gauc 0.5003\n", "gauc 0.61\n", True),
        ("a\n...\nd\n", "a\nb\nc\nd\n", True),
        ("a\n...\n", "a\n", True),
        ("a\n...\nd\n", "a\nb\n", False),
        ("rows 3\n", "rows 4\n", False),
        ("", "printed\n", False),
    ],
)
def test_texts_are_compared(text, printed, expected):
    assert same(text, printed) == expected


def test_readme_is_short():
    assert len(TEXTS["README.md"].split()) <= 700


def test_ci_runs_the_commands():
    run = (ROOT / ".ci" / "run").read_text()
    readme = TEXTS["README.md"]
    for command in ("python -m pip install", "'.[test", "python -m pytest"):
        assert command in readme
        assert command in run
