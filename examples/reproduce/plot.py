"""The picture of the table: GAUC by model, with the standard deviation over seeds."""


def plot(runs, published: dict, title: str, path) -> None:
    """Writes a picture. The suffix of the file chooses the format.

    Args:
        runs: See `report.summary`.
        published: The result of `anchors.anchors`.
        title: Title of the picture.
        path: The file.
    """
    from matplotlib.figure import Figure

    by_model = runs.groupby("model", sort=False)["gauc"]
    mean, deviation = by_model.mean(), by_model.std().fillna(0.0)
    figure = Figure(figsize=(7, 1.2 + 0.35 * len(mean)), layout="constrained")
    axes = figure.add_subplot()
    axes.errorbar(mean, range(len(mean)), xerr=deviation, fmt="o", capsize=3, label="ours")
    for marker, (source, lines) in zip("sD^v", published.items(), strict=False):
        known = [(lines[m][0], i) for i, m in enumerate(mean.index) if lines.get(m, (None,))[0]]
        if known:
            axes.plot(*zip(*known, strict=True), marker, fillstyle="none", label=source)
    axes.set_yticks(range(len(mean)), list(mean.index))
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel("GAUC on test, mean and standard deviation over seeds")
    axes.set_title(title)
    axes.legend()
    figure.savefig(path)
