"""Selects the metric of validation that a run monitors."""

import numpy as np

from keras_din import metrics
from keras_din.count_text import count_text
from keras_din.monitor import NEED_BOTH, NEED_GROUPS, has_position_bias, split_monitor
from keras_din.workers import sum_over_workers


def choose_monitor(monitor: str | None, data, verbose: bool) -> str:
    """Returns `monitor`, or the default for the samples of validation.

    If each of several workers has rows of its own, the samples are those of all workers, which must
    call it together.

    Args:
        monitor: One of `keras_din.monitor.MONITORS`, or of `NUMBER_MONITORS` for an output that is
            a number, with or without the name of an output as prefix, or `None`.
        data: A `PreparedData` with a part `"valid"`. By default its first label is monitored.
        verbose: Whether to print a notice if the default is `"logloss"`.

    Raises:
        ValueError: If the metric is NaN on these samples.
    """
    spec, samples = data.spec, data.parts["valid"]
    if monitor is None and has_position_bias(spec):
        monitor = "logloss"
        if verbose:
            print(
                f"The data has {spec.position!r}, so training monitors the logloss, with the "
                "position. GAUC and AUC are those of the output without the position.",
                flush=True,
            )
    output, metric = split_monitor(monitor, spec.outputs, numbers=spec.number_outputs)
    of_output = (monitor or metric).removesuffix(metric)  # Such as `cvr_`.
    (label,) = (label for label in spec.labels if label.output == output)
    labels = samples.labels[label.name]
    counts = {"all": len(labels), "known": int(np.sum(~np.isnan(labels)))}
    if label.is_binary:
        counts["clicks"] = int(np.nansum(labels))
        counts["with_gauc"] = int(has_both_labels(labels, samples.group))
    counts = {n: int(count) for n, count in sum_over_workers(counts, data.worker).items()}
    if not counts["known"]:
        raise ValueError(
            f"The part 'valid' must have rows with the monitored label {label.name!r}: pass "
            f"another `monitor`, or prepare a larger part. Received: "
            f"{count_text(counts['all'], 'row')} in which it is missing."
        )
    if not label.is_binary:
        return monitor or metric
    rows, clicks, has_gauc = counts["known"], counts["clicks"], counts["with_gauc"]
    found = f"{count_text(clicks, 'click')} in {count_text(rows, 'row')}"
    if monitor is None and not has_gauc:
        if verbose:
            print(
                "No user of the part 'valid' has both labels 0 and 1, so training monitors the "
                f"logloss. The part has {found}.",
                flush=True,
            )
        return "logloss"
    if metric in NEED_BOTH and clicks in (0, rows):
        raise ValueError(
            f"`monitor={monitor!r}` must be used with a part 'valid' with both labels 0 and 1: "
            f"pass '{of_output}logloss', or prepare a larger part. Received: {found}."
        )
    if metric in NEED_GROUPS and not has_gauc:
        raise ValueError(
            f"`monitor={monitor!r}` must be used with users of the part 'valid' with both labels "
            f"0 and 1: pass '{of_output}logloss' or '{of_output}auc'. Received: no such user."
        )
    return monitor or metric


def has_both_labels(labels, groups) -> bool:
    """Returns whether a group has both labels 0 and 1. A missing label, NaN, is neither."""
    known = ~np.isnan(labels)
    constant = np.zeros(int(known.sum()), np.float32)
    return len(constant) > 0 and bool(
        np.isfinite(metrics.gauc(labels[known], constant, groups[known]))
    )
