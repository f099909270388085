"""The table: a line a measurement, with what it is compared with and what it should reach."""

from typing import NamedTuple

from peers import ENVIRONMENTS
from process import Failed

COLUMNS = ("row", "case", "ours", *ENVIRONMENTS, "result", "goal", "met")


class Line(NamedTuple):
    """A line of the table.

    `peers` maps a name to its cell, and what is not in it was not measured; `met` is `None` where
    there is no goal.
    """

    row: str
    case: str
    ours: str = ""
    peers: dict = {}  # noqa: RUF012
    result: str = ""
    goal: str = ""
    met: bool | None = None

    @property
    def cells(self) -> list:
        met = {True: "yes", False: "**no**", None: ""}[self.met]
        peers = [self.peers.get(name, "") for name in ENVIRONMENTS]
        return [self.row, self.case, self.ours, *peers, self.result, self.goal, met]


def beside_peers(row: str, case: str, ours: float, theirs: dict, form, times=None):
    """The line of a figure of ours and of peers, and lines of the peers that failed.

    Args:
        row: The row.
        case: The case, with the unit.
        ours: Our figure.
        theirs: Peer -> figure or `Failed`.
        form: Function of a figure to text.
        times: Where more is better: the goal, a multiple of the best peer.
    """
    cells = {name: "failed" if isinstance(f, Failed) else form(f) for name, f in theirs.items()}
    figures = {name: f for name, f in theirs.items() if not isinstance(f, Failed)}
    if times is None:
        yield Line(row, case, form(ours), cells)
    elif figures:
        best = max(figures, key=figures.get)
        ratio = ours / figures[best]
        result = f"{ratio:.2f}x the best peer, {best}"
        yield Line(row, case, form(ours), cells, result, f"at least {times}x", ratio >= times)
    else:
        yield Line(row, case, form(ours), cells, "no peer", f"at least {times}x")
    for name, failed in theirs.items():
        if isinstance(failed, Failed):
            yield Line(row, f"{case}: {name}", result=f"failed: {failed}")


def at_most(row: str, case: str, ratio: float, peers: dict, limit: float) -> Line:
    """The line of growth, ours and peers', with its limit."""
    cells = {name: f"{each:.2f}x" for name, each in peers.items()}
    return Line(row, case, f"{ratio:.2f}x", cells, "", f"at most {limit}x", ratio <= limit)


def markdown(lines) -> str:
    """Aligned, so that a terminal shows it as well."""
    rows = [list(COLUMNS), *([cell.replace("|", "/") for cell in line.cells] for line in lines)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    rows.insert(1, ["-" * width for width in widths])
    padded = ([cell.ljust(w) for cell, w in zip(row, widths, strict=True)] for row in rows)
    return "\n".join(f"| {' | '.join(row)} |" for row in padded)


def thousands(figure: float) -> str:
    """`36,667`"""
    return f"{figure:,.0f}"


def milliseconds(seconds: float) -> str:
    """`15.5`"""
    return f"{1e3 * seconds:,.1f}"
