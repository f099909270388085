"""Selects the metric of validation that a run monitors."""

import numpy as np

from keras_din import metrics
from keras_din.count_text import count_text
from keras_din.monitor import NEED_BOTH, NEED_GROUPS, has_position_bias, split_monitor


def choose_monitor(monitor: str | None, spec, samples, verbose: bool) -> str:
    """Returns `monitor`, or the default for the samples of validation.

    Args:
        monitor: One of `keras_din.monitor.MONITORS`, or of `NUMBER_MONITORS` for an output that is
            a number, with or without the name of an output as prefix, or `None`.
        spec: The `FeatureSpec`. By default its first label is monitored.
        samples: The `Samples` of validation.
        verbose: Whether to print a notice if the default is `"logloss"`.

    Raises:
        ValueError: If the metric is NaN on these samples.
    """
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
    known = ~np.isnan(samples.labels[label.name])
    if not known.any():
        raise ValueError(
            f"The part 'valid' must have rows with the monitored label {label.name!r}: pass "
            f"another `monitor`, or prepare a larger part. Received: "
            f"{count_text(len(samples), 'row')} in which it is missing."
        )
    if not label.is_binary:
        return monitor or metric
    labels, rows = samples.labels[label.name][known], int(known.sum())
    clicks, has_gauc = int(labels.sum()), _has_gauc(labels, samples.group[known])
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


def _has_gauc(labels, groups) -> bool:
    constant = np.zeros(len(labels), np.float32)
    return bool(np.isfinite(metrics.gauc(labels, constant, groups)))
