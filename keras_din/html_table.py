"""Tables in HTML, which notebooks show."""

import html
from collections.abc import Iterable, Sequence

__all__ = ["html_table"]


def html_table(caption: str, header: Sequence[str], rows: Iterable[Sequence]) -> str:
    """Returns a table without scripts and styles. All texts are escaped.

    Args:
        caption: The title.
        header: Names of the columns.
        rows: The cells of each row. A float has four decimals, an integer commas.
    """
    lines = ["<table>", f"<caption>{html.escape(caption)}</caption>"]
    lines.append("<thead>" + _row("th", header) + "</thead>")
    lines.append("<tbody>")
    lines += [_row("td", cells) for cells in rows]
    return "\n".join([*lines, "</tbody>", "</table>"])


def _row(tag: str, cells: Iterable) -> str:
    return (
        "<tr>" + "".join(f"<{tag}>{html.escape(_text(cell))}</{tag}>" for cell in cells) + "</tr>"
    )


def _text(cell) -> str:
    if isinstance(cell, float):
        return f"{cell:.4f}"
    return f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else str(cell)
