"""Runs the code of a page, as the tests do: `python docs/run_page.py docs/guides/first.md --write`.

The blocks of a page are run from the top to the bottom, in one empty folder and one namespace:

- `python`: the code is run. The `text` block after it is what it prints.
- `bash` with a `text` block after it: its lines `keras-din ...` are run. Without one, the tests
  only check that its `keras-din` commands and options exist.

Decimals and numbers of versions may differ from the text. A line `...` of the text stands for any
lines. A picture of the page that stands in `docs/pictures/` is the file of that name which the code
saves: `figure.savefig("attention.png")`. `--write` replaces the texts and the pictures by those of
this run.
"""

import argparse
import contextlib
import io
import os
import pathlib
import re
import shlex
import shutil
import sys
import tempfile
from typing import NamedTuple

DOCS = pathlib.Path(__file__).resolve().parent
ROOT = DOCS.parent
PICTURES = DOCS / "pictures"
# Three or more backticks, the language, and the lines until as many backticks.
BLOCK = re.compile(r"^(?P<fence>`{3,})(?P<language>\w+)\n(?P<code>.*?)^(?P=fence)$", re.M | re.S)
PICTURE = re.compile(r"!\[[^\]]*\]\(([^)\s]*pictures/[^)\s]+)\)")
COMMAND = re.compile(r"^keras-din .*$", re.MULTILINE)


class Step(NamedTuple):
    """A block of code and the text block that follows it."""

    language: str
    code: str
    text: str
    # Where the text stands in the page, or None without a text block.
    place: tuple[int, int] | None


def pages() -> list[pathlib.Path]:
    """Returns the pages with code: the README and the pages that are written for the site."""
    found = (path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
    return [ROOT / "README.md", *sorted(found)]


def name_of(page: pathlib.Path) -> str:
    return str(page.relative_to(ROOT))


def steps(markdown: str) -> list[Step]:
    """Returns the blocks that are run, and the bash blocks that are only checked."""
    blocks = list(BLOCK.finditer(markdown))
    found = []
    for block, after in zip(blocks, [*blocks[1:], None], strict=False):
        if block["language"] in ("python", "bash"):
            has_text = after is not None and after["language"] == "text"
            has_text = has_text and not markdown[block.end() : after.start()].strip()
            text, place = (after["code"], after.span("code")) if has_text else ("", None)
            found.append(Step(block["language"], block["code"], text, place))
    return found


def commands(markdown: str) -> list[str]:
    """Returns all commands `keras-din ...` of the bash blocks, without what reads their output."""
    code = "\n".join(step.code for step in steps(markdown) if step.language == "bash")
    return [line.split(" | ")[0] for line in COMMAND.findall(code.replace("\\\n", " "))]


def pictures(markdown: str) -> list[str]:
    """Returns the names of the pictures that a page shows and its code saves."""
    code = "".join(step.code for step in steps(markdown))
    names = [pathlib.PurePosixPath(path).name for path in PICTURE.findall(markdown)]
    return [name for name in names if f'"{name}"' in code]


def same(text: str, printed: str) -> bool:
    """Whether a page's text is what its code printed, except for what the machine decides."""
    lines = [re.escape(line) for line in normalize(text).splitlines()]
    pattern = "".join(r"(?:.*\n)*?" if line == r"\.\.\." else f"{line}\n" for line in lines)
    printed = "".join(f"{line}\n" for line in normalize(printed).splitlines())
    return re.fullmatch(pattern, printed) is not None


def normalize(text: str) -> str:
    """Replaces decimals and numbers of versions, and removes spaces at the end of lines."""
    text = re.sub(r"\d+\.\d+", "0.0", text)
    text = re.sub(r"\d{10}", "VERSION", text)
    return re.sub(r" +$", "", text, flags=re.MULTILINE)


def run_step(step: Step, namespace: dict, name: str) -> str:
    """Runs a block in the current folder. Returns what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        if step.language == "python":
            exec(compile(step.code, name, "exec"), namespace)
        elif step.place:
            run_commands(step.code)
    return printed.getvalue()


def run_commands(code: str) -> None:
    from keras_din.cli import main

    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        if words[0] != "keras-din":
            raise ValueError(f"Commands with a text must be `keras-din`. Received: {line}")
        if main(words[1:]) != 0:
            raise RuntimeError(f"A command of a page must succeed. Received: {line}")


def run_page(page: pathlib.Path, folder: pathlib.Path):
    """Runs the page in a folder. Yields each step with what it printed."""
    markdown = page.read_text(encoding="utf-8")
    namespace = {"__name__": "__main__"}
    before = pathlib.Path.cwd()
    os.chdir(folder)
    try:
        for step in steps(markdown):
            yield step, run_step(step, namespace, name_of(page))
    finally:
        os.chdir(before)
    for name in pictures(markdown):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"The code of {name_of(page)} must save the picture {name}.")


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pages", nargs="+", type=pathlib.Path, help="Markdown files")
    parser.add_argument("--write", action="store_true", help="replace the texts and pictures")
    options = parser.parse_args(arguments)
    return max(show(page.resolve(), options.write) for page in options.pages)


def show(page: pathlib.Path, write: bool) -> int:
    """Runs one page and prints, or writes, what differs. Returns the exit code."""
    markdown = page.read_text(encoding="utf-8")
    differences = []
    with tempfile.TemporaryDirectory() as folder:
        for step, printed in run_page(page, pathlib.Path(folder)):
            if not same(step.text, printed):
                differences.append((step, printed))
        if write:
            for name in pictures(markdown):
                PICTURES.mkdir(exist_ok=True)
                shutil.copy(pathlib.Path(folder) / name, PICTURES / name)
    for step, printed in differences:
        print(f"{name_of(page)}: this code\n\n{step.code}\nprinted\n\n{printed}")
    if not write:
        return int(bool(differences))
    for step, printed in reversed(differences):
        if step.place is None:
            print("Code that prints needs a text block after it.")
            return 1
        first, end = step.place
        markdown = markdown[:first] + printed.rstrip("\n") + "\n" + markdown[end:]
    page.write_text(markdown, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
