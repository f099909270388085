"""Docstrings as Keras writes them, Markdown with `Args:` and other sections, for Sphinx.

Sphinx reads docstrings as reStructuredText. This extension converts the few forms of Markdown that
the docstrings of keras_din use: code in backticks, links, lists, and fenced blocks of code. Code
that is the name of a public object becomes a link to its page.
"""

import inspect
import re
import textwrap

from public_names import public_names
from sphinx.util.inspect import stringify_signature

# Sections whose entries are `name: description`, sections of text, and sections with code or links.
ENTRIES = ("Args", "Call arguments", "Attributes", "Raises")
TEXTS = ("Returns", "Yields")
RUBRICS = ("Example", "Examples", "Reference", "References")

SECTION = re.compile(rf"^({'|'.join([*ENTRIES, *TEXTS, *RUBRICS])}):$")
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?P<code>`[^`]+`)|(?P<link>\[[^\]\n]+(?:\n[^\]\n]+)?\]\([^)\s]+\))")
ITEM = re.compile(r"^ *([-*]|\d+\.) ")
# Characters with a meaning in reStructuredText only.
SPECIAL = re.compile(r"\||(?<=\w)_(?!\w)|\*")


def to_restructured_text(docstring: str) -> str:
    """Converts a docstring, without indentation, to reStructuredText."""
    before, sections = _split(docstring)
    blocks = [_body(before)]
    for title, body in sections:
        if title in ENTRIES:
            blocks.append(_entries(title, body))
        elif title in TEXTS:
            blocks.append(_field(f":{title}:", _body(body)))
        else:
            blocks.append(f".. rubric:: {title}\n\n{_body(body)}")
    return "\n\n".join(filter(None, blocks))


def _split(docstring):
    """Splits into the text before the first section, and pairs (title, body)."""
    before, sections = [], []
    current = before
    for line in docstring.splitlines():
        section = SECTION.match(line)
        if section:
            current = []
            sections.append((section[1], current))
        else:
            current.append(line)
    return "\n".join(before), [(title, "\n".join(body)) for title, body in sections]


def _entries(title, body):
    """Converts `name: description` entries to a field with a list."""
    entries = re.split(r"\n(?=\S)", textwrap.dedent(body).strip())
    pairs = [entry.partition(":")[::2] for entry in entries]
    pairs = [(name.strip(" `"), _body(_dedent_rest(text.strip(" ")))) for name, text in pairs]
    items = (_field(f"* **{_escape(name)}** \u2013", text, 2) for name, text in pairs)
    return f":{title}:\n{textwrap.indent(chr(10).join(items), '    ')}"


def _dedent_rest(text):
    """Removes the indentation of all lines except the first, which follows a name."""
    first, _, rest = text.partition("\n")
    return f"{first}\n{textwrap.dedent(rest)}".strip()


def _field(head, text, width=4):
    return f"{head} {textwrap.indent(text, ' ' * width).lstrip(' ')}"


def _body(text):
    """Converts text without sections."""
    text = textwrap.dedent(text).strip("\n")
    parts, end = [], 0
    for fence in FENCE.finditer(text):
        parts.append(_prose(text[end : fence.start()]))
        code = textwrap.indent(textwrap.dedent(fence[3]), "    ")
        block = f"\n.. code-block:: {fence[2] or 'text'}\n\n{code}\n"
        parts.append(textwrap.indent(block, fence[1]))
        end = fence.end()
    return "".join([*parts, _prose(text[end:])]).strip("\n")


def _prose(text):
    """Converts code, links and lists of text without fenced blocks."""
    result, end = [], 0
    for match in INLINE.finditer(text):
        result.append(_escape(text[end : match.start()]))
        markup = _code(match["code"][1:-1]) if match["code"] else _link(match["link"])
        if text[match.end() : match.end() + 1].isalnum():
            markup += "\\ "  # As in "`Label`s": markup must not be followed by a letter.
        result.append(markup)
        end = match.end()
    result.append(_escape(text[end:]))
    return _space_lists("".join(result))


def _escape(text):
    return SPECIAL.sub(lambda match: "\\" + match[0], text)


def _code(code):
    code = " ".join(code.split())
    path = public_path(code)
    return f":py:obj:`{code} <{path}>`" if path else f"``{code}``"


def _link(markdown):
    text, url = markdown[1:-1].split("](")
    return f"`{' '.join(text.replace('`', '').split())} <{url}>`__"


def _space_lists(text):
    """Puts an empty line before each list, which reStructuredText requires."""
    lines: list[str] = []
    for line in text.split("\n"):
        follows_text = lines and lines[-1].strip() and not lines[-1].startswith(" ")
        if ITEM.match(line) and follows_text and not ITEM.match(lines[-1]):
            lines.append("")
        lines.append(line)
    return "\n".join(lines)


def public_path(code: str) -> str | None:
    """Returns the full path of a public object that is written as `code`, or `None`.

    A name without its module is taken for the object if it has a capital or an underscore, and
    stands in one module only: `prepare_rows` is, `calibration` is not.
    """
    full = re.sub(r"^kd\.", "keras_din.", code)
    if full in public_names():
        return full
    if re.fullmatch(r"\w+", code) and re.search(r"[A-Z_]", code):
        paths = [path for path in public_names() if path.rpartition(".")[2] == code]
        return paths[0] if len(paths) == 1 else None
    return None


def process(app, what, name, obj, options, lines):
    """Replaces the lines of a docstring."""
    if isinstance(obj, dict):  # Its docstring would be that of `dict`.
        lines[:] = [f"A dict with the keys {', '.join(f'``{key!r}``' for key in obj)}."]
        return
    lines[:] = to_restructured_text(inspect.cleandoc("\n".join(lines))).split("\n")


def constructor(app, what, name, obj, options, signature, return_annotation):
    """Returns the signature of a class. That of a Keras layer would be `(*args, **kwargs)`."""
    if what != "class" or signature is None:
        return None
    own = inspect.signature(obj.__init__)
    own = own.replace(parameters=list(own.parameters.values())[1:])
    return stringify_signature(own, unqualified_typehints=True, show_return_annotation=False), None


def setup(app):
    app.connect("autodoc-process-docstring", process)
    app.connect("autodoc-process-signature", constructor)
    return {"parallel_read_safe": True}
