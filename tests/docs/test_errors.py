"""The guide of errors quotes messages that the library has."""

import ast
import pathlib
import re

import keras_din

ROOT = pathlib.Path(__file__).parent.parent.parent


def texts(path: pathlib.Path) -> str:
    """Returns all texts of a module, with `{}` for each value of an f-string, one per line."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
        elif isinstance(node, ast.JoinedStr):
            parts = [p.value if isinstance(p, ast.Constant) else "{}" for p in node.values]
            found.append("".join(parts))
    return "\n".join(found)


def test_messages_of_the_guide_are_in_the_code():
    page = (ROOT / "docs" / "guides" / "errors.md").read_text(encoding="utf-8")
    tables = [part for part in page.split("\n\n") if part.startswith("| the message has")]
    rows = [row for table in tables for row in table.splitlines()[2:]]
    messages = [message for row in rows for message in re.findall("`([^`]+)`", row.split("|")[1])]
    assert len(messages) >= 20
    package = pathlib.Path(keras_din.__file__).parent
    code = "\n".join(texts(path) for path in sorted(package.rglob("*.py")))
    assert [message for message in messages if message not in code] == []
