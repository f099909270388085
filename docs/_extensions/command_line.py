"""The directive `commands`: all commands and options of `keras-din`, from its own parser."""

import argparse
import re
import textwrap

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from keras_din.cli import parser


class Commands(SphinxDirective):
    """One section per command: its description, its usage and its options."""

    def run(self):
        whole = parser()
        commands = next(
            action for action in whole._actions if isinstance(action, argparse._SubParsersAction)
        )
        return [self.section(name, command) for name, command in commands.choices.items()]

    def section(self, name, command):
        title = f"keras-din {name}"
        section = nodes.section("", nodes.title("", title), ids=[nodes.make_id(title)])
        self.state.document.note_implicit_target(section, section)
        section += description(command.description or "")
        section += literal(usage(command))
        for group in command._action_groups:
            actions = [
                action for action in group._group_actions if action.help != argparse.SUPPRESS
            ]
            if actions:
                section += nodes.rubric("", (group.title or "").capitalize())
                section += definitions(command, actions)
        return section


def usage(command):
    return textwrap.dedent(command.format_usage().replace("usage: ", "", 1)).rstrip()


def description(text):
    """Paragraphs; those that are indented are commands."""
    result = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        if block.startswith(" "):
            result.append(literal(textwrap.dedent(block)))
        else:
            result.append(paragraph(" ".join(block.split())))
    return result


def paragraph(text):
    """A paragraph in which options and words in backticks are code."""
    result = nodes.paragraph()
    for i, part in enumerate(re.split(r"`([^`]+)`|(?<!\S)(--[\w-]+)", text)):
        if part:
            result += nodes.literal("", part, classes=["option"]) if i % 3 else nodes.Text(part)
    return result


def literal(text):
    return nodes.literal_block(text, text, language="text")


def definitions(command, actions):
    """A definition list: an option and its value, then what it does."""
    formatter = command._get_formatter()
    items = nodes.definition_list()
    for action in actions:
        words = formatter._format_action_invocation(action)
        text = formatter._expand_help(action) if action.help else ""
        items += nodes.definition_list_item(
            "",
            nodes.term("", "", nodes.literal("", words)),
            nodes.definition("", paragraph(text)),
        )
    return items


def setup(app):
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True}
