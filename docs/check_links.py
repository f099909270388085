"""Checks the links of the built site: `python docs/check_links.py docs/_build`.

A link to a page must lead to a file and, with `#name`, to an element of it. Scripts, styles,
pictures and fonts must stand in the folder, so that the site needs no network. Of links to other
sites only the form of the address is checked.
"""

import pathlib
import re
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

STYLE_URL = re.compile(r"url\(\s*[\"']?(?!data:)([^\"')]+)")


class Page(HTMLParser):
    """The addresses and the ids of a page."""

    def __init__(self, path: pathlib.Path):
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.ids: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if "id" in found:
            self.ids.add(found["id"])
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif "src" in found:
            self.loaded.append(found["src"])
        elif tag == "link" and found.get("rel") == "stylesheet":
            self.loaded.append(found["href"])


def problems(folder: pathlib.Path) -> list[str]:
    """Returns one line per wrong address of the pages and styles of a folder."""
    pages = {path.resolve(): Page(path) for path in sorted(folder.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        name = path.relative_to(folder.resolve())
        found += [f"{name}: {url}" for url in page.links if not is_link(url, path, pages)]
        found += [f"{name}: loads {url}" for url in page.loaded if not is_file(url, path)]
    for path in sorted(folder.rglob("*.css")):
        urls = STYLE_URL.findall(path.read_text(encoding="utf-8"))
        found += [f"{path.name}: loads {url}" for url in urls if not is_file(url, path)]
    return found


def is_link(url: str, page: pathlib.Path, pages: dict) -> bool:
    parts = urlsplit(url)
    if parts.scheme or parts.netloc:
        return parts.scheme == "mailto" or (
            parts.scheme in ("http", "https") and "." in parts.netloc
        )
    target = target_of(url, page)
    if not target.is_file():
        return False
    return not parts.fragment or target not in pages or unquote(parts.fragment) in pages[target].ids


def is_file(url: str, page: pathlib.Path) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "data" or (
        not parts.scheme and not parts.netloc and target_of(url, page).is_file()
    )


def target_of(url: str, page: pathlib.Path) -> pathlib.Path:
    path = unquote(urlsplit(url).path)
    return (page.parent / path).resolve() if path else page


def main(folder: str) -> int:
    found = problems(pathlib.Path(folder))
    print("\n".join(found) or "All links of the site lead somewhere.")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
