"""Pages of the repository on the site: links of a page to other files of the repository.

A page of the site may `{include}` a Markdown file that stands elsewhere, such as `CHANGELOG.md`.
Its links are relative to that file. A link to a Markdown file or a folder becomes a link to the
page that includes it, or its `README.md`; without such a page only the text remains. A link to
another file of the repository becomes a download of it.
"""

import os
import pathlib
import re

DOCS = pathlib.Path(__file__).parent.parent
ROOT = DOCS.parent
INCLUDE = re.compile(r"^```\{include\} (\S+)\n```$", re.MULTILINE)
# Code, in which nothing is a link, or a link that is no URL: its mark, label, path and anchor.
CODE_BLOCK = r"^(?P<fence>`{3,}).*?^(?P=fence)$"
CODE = rf"{CODE_BLOCK}|(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)"
LABEL = r"(?P<mark>!?)\[(?P<label>(?:[^\[\]]|\[[^\[\]]*\])*)\]"
TARGET = r"\((?!\w+:)(?P<path>[^)\s#]*)(?P<anchor>#[^)\s]*)?\)"
LINK = re.compile(f"{LABEL}{TARGET}|{CODE}", re.MULTILINE | re.DOTALL)


def included_files() -> dict[pathlib.Path, pathlib.Path]:
    """Returns each file that a page includes -> the page."""
    pages = [page for page in DOCS.rglob("*.md") if "_build" not in page.parts]
    return {
        (page.parent / target).resolve(): page
        for page in pages
        for target in INCLUDE.findall(page.read_text(encoding="utf-8"))
    }


def dead_links(source: pathlib.Path) -> list[str]:
    """Returns the links of a file that lead to no file or, in Markdown, to no heading of it."""
    text = source.read_text(encoding="utf-8")
    dead = []
    for match in LINK.finditer(text):
        path, anchor = match["path"], match["anchor"]
        target = (source.parent / path).resolve() if path else source
        if (path or anchor) and not target.exists():
            dead.append(path)
        elif anchor and target.suffix == ".md" and anchor[1:] not in anchors(target):
            dead.append(path + anchor)
    return dead


def anchors(page: pathlib.Path) -> set[str]:
    """Returns the anchors of the headings of a Markdown file, as MyST and GitHub make them."""
    text = re.sub(CODE_BLOCK, "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*?)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def on_site(text: str, source: pathlib.Path, page: pathlib.Path) -> str:
    """Replaces the links of `source`, which stands on `page`, by those of the site."""
    pages = included_files()

    def link(match):
        mark, label, path = match["mark"], match["label"], match["path"]
        if not path:  # Code, or a link to a heading of the same page.
            return match[0]
        target = (source.parent / path).resolve()
        if not target.exists():
            raise FileNotFoundError(f"A link must lead to a file. Received: {path} in {source}.")
        if target.is_dir() and (target / "README.md").exists():
            target = target / "README.md"
        target = pages.get(target, target)
        is_page = target.suffix == ".md" and DOCS in target.parents
        if target.is_dir() or (target.suffix == ".md" and not is_page):
            return label
        relative = os.path.relpath(target, page.parent)
        return f"{mark}[{label}]({relative}{match['anchor'] or ''})"

    return LINK.sub(link, text)


def replace(app, docname, content):
    """Inserts the included files of a page, with their links replaced."""
    page = pathlib.Path(app.env.doc2path(docname))
    if page.suffix != ".md":
        return

    def insert(match):
        source = (page.parent / match[1]).resolve()
        app.env.note_dependency(str(source))
        return on_site(source.read_text(encoding="utf-8"), source, page)

    text = on_site(INCLUDE.sub("\0", content[0]), page, page)
    for match in INCLUDE.finditer(content[0]):
        text = text.replace("\0", insert(match), 1)
    content[0] = text


def setup(app):
    app.connect("source-read", replace)
    return {"parallel_read_safe": True}
