"""Draw the metrics of a run by day: a PNG image per output and an HTML page.

The metrics are those of `keras-din update`: GAUC, logloss and calibration of each day before the
model learned from it, the share of rows with unknown values and the number of values per table.

  keras-din report runs/din
  keras-din report runs/din --output report.html
"""

import base64
import html
import pathlib


def add_arguments(parser):
    """Adds the arguments of the command."""
    parser.add_argument("run", help="the folder of a run")
    parser.add_argument(
        "--output", help="the HTML page; the image is written next to it (default RUN/report.html)"
    )


def run(options) -> dict:
    """Draws the plots, writes both files, and returns their paths and the metrics."""
    from keras_din.checks import local_path
    from keras_din.plots import days as plot_days
    from keras_din.training import read_days

    page = local_path("output", options.output or pathlib.Path(options.run) / "report.html")
    if page.suffix != ".html" or not page.parent.is_dir():
        raise ValueError(
            f"`--output` must end in .html and be in a folder that exists. Received: {page}."
        )
    days = read_days(options.run)
    if not days:
        raise ValueError(
            "The run must have learned from appended days, see `keras-din update`. "
            f"Received: {options.run} without an update."
        )
    images = []
    # With several outputs, each has a logloss, or an error of a number, with its name in front.
    names = dict.fromkeys(name for day in days for name in day)
    ends = ("logloss", "rmse")
    for prefix in [n.removesuffix(end) for n in names for end in ends if n.endswith(end)]:
        end = f"_{prefix.rstrip('_')}" if prefix else ""
        images.append(page.with_name(f"{page.stem}{end}.png"))
        plot_days(days, prefix)[0].figure.savefig(images[-1], dpi=120)
    page.write_text(_page(options.run, days, images), encoding="utf-8")
    print(f"written: {', '.join(map(str, [page, *images]))}")
    return {"files": [str(file) for file in (page, *images)], "days": days}


def _page(name: str, days: list, images: list) -> str:
    """The HTML page, which contains the images."""
    columns = [key for key, value in days[-1].items() if not isinstance(value, dict)]
    columns += [key for day in days for key in day if key not in days[-1]]
    columns = list(dict.fromkeys(columns))
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(_cell(day.get(c)))}</td>" for c in columns) + "</tr>\n"
        for day in days
    )
    title = html.escape(f"Run {name}: metrics by day")
    figures = "".join(
        f'<img alt="{html.escape(image.stem)}" src="data:image/png;base64,'
        f'{base64.b64encode(image.read_bytes()).decode()}">\n'
        for image in images
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        "<style>body{font-family:sans-serif;margin:2em}table{border-collapse:collapse}"
        "td,th{padding:.2em .6em;text-align:right;border-bottom:1px solid #ccc}"
        "img{max-width:100%}</style></head>\n"
        f"<body><h1>{title}</h1>\n<p>Each day was evaluated before the model learned from it.</p>\n"
        f"{figures}"
        f"<table><tr>{head}</tr>\n{rows}</table></body></html>\n"
    )


def _cell(value) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
