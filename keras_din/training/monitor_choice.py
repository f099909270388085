"""Which metric of validation a run can be monitored by."""

import numpy as np

from keras_din import metrics
from keras_din.monitor import GAUC_THEN_LOGLOSS, NEED_BOTH, NEED_GROUPS, split_monitor


def choose_monitor(monitor: str | None, spec, samples, verbose: bool) -> str:
    """`monitor`, or by default the one that suits the samples of validation.

    Args:
        monitor: One of `keras_din.monitor.MONITORS`, with or without the name of an output in
            front, or `None`.
        spec: The `FeatureSpec`, whose first label is monitored by default.
        samples: The `Samples` of validation.
        verbose: Whether to print that a default is `"logloss"`.

    Raises:
        ValueError: When the metric is NaN on these samples.
    """
    output, metric = split_monitor(monitor or GAUC_THEN_LOGLOSS, spec.outputs)
    (name,) = (label.name for label in spec.labels if label.output == output)
    labels = samples.labels[name]
    clicks, has_gauc = int(labels.sum()), _has_gauc(labels, samples.group)
    found = f"{clicks:,} clicks in {len(samples):,} rows"
    if monitor is None and not has_gauc:
        if verbose:
            print(
                "No user of the part 'valid' has both a click and none: training is monitored by "
                f"logloss. The part has {found}.",
                flush=True,
            )
        return "logloss"
    if metric in NEED_BOTH and clicks in (0, len(samples)):
        raise ValueError(
            f"`monitor={monitor!r}` needs both clicks and rows without one in the part 'valid': "
            f"take 'logloss', or make a larger part. Received: {found}."
        )
    if metric in NEED_GROUPS and not has_gauc:
        raise ValueError(
            f"`monitor={monitor!r}` needs users of the part 'valid' with both a click and none: "
            "take 'logloss' or 'auc'. Received: no such user."
        )
    return monitor or GAUC_THEN_LOGLOSS


def _has_gauc(labels, groups) -> bool:
    constant = np.zeros(len(labels), np.float32)
    return bool(np.isfinite(metrics.gauc(labels, constant, groups)))
