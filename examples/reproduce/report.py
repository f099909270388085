"""The table: mean and standard deviation over seeds, and the differences between models."""

import numpy as np
import pandas as pd

from examples.reproduce.entries import EXPECTED
from keras_din.metrics import gauc_difference, rela_impr

METRICS = ("gauc", "auc", "logloss", "calibration", "ece")


def summary(runs: pd.DataFrame, published: dict) -> pd.DataFrame:
    """Returns the table as text, one line per model.

    Args:
        runs: One row per run: `model`, `seed`, `valid gauc`, the `METRICS`, `parameters`,
            `best_step`, `setting`, and where measured `s/epoch` and `samples/s`.
        published: The result of `anchors.anchors`.
    """
    by_model = runs.groupby("model", sort=False)
    columns = ["valid gauc", *METRICS]
    mean, deviation = by_model[columns].mean(), by_model[columns].std()
    text = pd.DataFrame(index=mean.index)
    for name in columns:
        text[name] = [_with_deviation(*pair) for pair in zip(mean[name], deviation[name])]  # noqa: B905
        if name == "auc" and "base" in mean.index:
            text["RelaImpr"] = [f"{rela_impr(a, mean.at['base', 'auc']):+.1%}" for a in mean["auc"]]
    text["seeds"] = by_model["seed"].nunique().map(str)
    text["best step"] = by_model["best_step"].agg(lambda steps: ", ".join(map(str, steps)))
    parameters = by_model["parameters"].first()  # Trees have none.
    text["parameters"] = ["" if pd.isna(count) else f"{int(count):,}" for count in parameters]
    for name, form in (("s/epoch", "{:.1f}"), ("samples/s", "{:,.0f}")):
        if name in runs:
            text[name] = by_model[name].first().map(form.format).replace("nan", "")
    text["setting"] = by_model["setting"].first()
    for source, lines in published.items():
        for place, name in enumerate(("GAUC", "AUC")):
            values = [lines.get(model, (None, None))[place] for model in text.index]
            if any(values):
                text[f"{name}, {source}"] = ["" if v is None else f"{v:.4f}" for v in values]
    return text


def order(scores: dict, pairs=EXPECTED) -> pd.DataFrame:
    """Returns the difference of GAUC for the pairs that were run.

    The difference is the mean over the seeds that both models have, on the same rows. Its error is
    `sqrt(s^2 + d^2 / seeds)`. `s` is the mean over seeds of the standard error over users. `d` is
    the standard deviation over seeds, 0 with one seed.

    Args:
        scores: `(model, seed)` -> `predictions`, `labels` and `groups` of the test part.
        pairs: `(less, more)` each: the names of two models.

    Returns:
        One row per pair: `less`, `more`, `difference`, `over users`, `over seeds`, and
        `deviations`, the difference over its error.
    """
    lines = []
    for less, more in pairs:
        seeds = [seed for model, seed in scores if model == more and (less, seed) in scores]
        if not seeds:
            continue
        found = [_difference(scores[more, seed], scores[less, seed]) for seed in seeds]
        difference, users = np.mean(found, axis=0)
        spread = float(np.std([d for d, _ in found], ddof=1)) if len(seeds) > 1 else 0.0
        error = np.hypot(users, spread / np.sqrt(len(seeds)))
        deviations = difference / error if error else np.nan
        lines.append((less, more, difference, users, spread, deviations))
    columns = ["less", "more", "difference", "over users", "over seeds", "deviations"]
    return pd.DataFrame(lines, columns=columns)


def order_as_text(pairs: pd.DataFrame) -> pd.DataFrame:
    """Returns `order` as text with four digits, and whether the order is as expected."""
    text = pairs.copy()
    text["difference"] = pairs["difference"].map("{:+.4f}".format)
    for name in ("over users", "over seeds"):
        text[name] = pairs[name].map("{:.4f}".format)
    text["deviations"] = pairs["deviations"].map("{:+.1f}".format)
    text["as expected"] = [_verdict(d) for d in pairs["deviations"]]
    return text


def markdown(frame: pd.DataFrame, index: bool = False) -> str:
    """Returns a frame of text as a Markdown table."""
    if index:
        frame = frame.reset_index()
    rows = [list(frame.columns), ["---"] * len(frame.columns), *frame.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def _difference(more: dict, less: dict) -> tuple:
    return gauc_difference(more["labels"], more["predictions"], less["predictions"], more["groups"])


def _verdict(deviations: float) -> str:
    """Returns whether the order is as expected. A difference below twice its error is "equal"."""
    if deviations >= 2:
        return "yes"
    return "no" if deviations <= -2 else "equal"


def _with_deviation(mean: float, deviation: float) -> str:
    return f"{mean:.4f}" if np.isnan(deviation) else f"{mean:.4f} ± {deviation:.4f}"
