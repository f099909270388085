"""The table of results: one line per measurement, with the peers' figures and the goal."""

from typing import NamedTuple

from peers import ENVIRONMENTS

from harness.process import TaskFailed

COLUMNS = ("row", "case", "ours", *ENVIRONMENTS, "result", "goal", "met")


class Line(NamedTuple):
    """A line of the table.

    `peers` maps the name of a peer to its cell. A missing peer was not measured. `met` is `None`
    if there is no goal.
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


def lines_with_peers(row: str, case: str, ours: float, peers: dict, to_text, goal_ratio=None):
    """Yields the line of our figure and the peers', then one line per peer that failed.

    Args:
        row: The row.
        case: The case, with the unit.
        ours: Our figure.
        peers: Peer -> its figure, or the `TaskFailed`.
        to_text: Function that formats a figure.
        goal_ratio: The goal, as a multiple of the best peer's figure. For figures where more is
            better.
    """
    failed = {name: each for name, each in peers.items() if isinstance(each, TaskFailed)}
    figures = {name: each for name, each in peers.items() if name not in failed}
    cells = dict.fromkeys(peers, "failed") | {n: to_text(each) for n, each in figures.items()}
    if goal_ratio is None:
        yield Line(row, case, to_text(ours), cells)
    elif figures:
        best = max(figures, key=figures.get)
        ratio = ours / figures[best]
        result, goal = f"{ratio:.2f}x the best peer, {best}", f"at least {goal_ratio}x"
        yield Line(row, case, to_text(ours), cells, result, goal, ratio >= goal_ratio)
    else:
        yield Line(row, case, to_text(ours), cells, "no peer", f"at least {goal_ratio}x")
    for name, error in failed.items():
        yield Line(row, f"{case}: {name}", result=f"failed: {error}")


def growth_line(row: str, case: str, ratio: float, peers: dict, limit: float) -> Line:
    """Returns the line of a growth, ours and the peers', with its limit."""
    cells = {name: f"{each:.2f}x" for name, each in peers.items()}
    return Line(row, case, f"{ratio:.2f}x", cells, "", f"at most {limit}x", ratio <= limit)


def markdown(lines) -> str:
    """Returns the lines as a Markdown table with aligned columns."""
    rows = [list(COLUMNS), *([cell.replace("|", "/") for cell in line.cells] for line in lines)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    rows.insert(1, ["-" * width for width in widths])
    padded = ([cell.ljust(w) for cell, w in zip(row, widths, strict=True)] for row in rows)
    return "\n".join(f"| {' | '.join(row)} |" for row in padded)


def thousands(figure: float) -> str:
    """Formats a number as `36,667`."""
    return f"{figure:,.0f}"


def milliseconds(seconds: float) -> str:
    """Formats seconds as milliseconds, `15.5`."""
    return f"{1e3 * seconds:,.1f}"
