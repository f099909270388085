"""Which metric of validation a run can be monitored by."""

import numpy as np

from keras_din import metrics
from keras_din.monitor import GAUC_THEN_LOGLOSS, NEED_BOTH, NEED_GROUPS


def choose_monitor(monitor: str | None, samples, verbose: bool) -> str:
    """`monitor`, or by default the one that suits the samples of validation.

    Args:
        monitor: One of `keras_din.monitor.MONITORS`, or `None`.
        samples: The `Samples` of validation.
        verbose: Whether to print that a default is `"logloss"`.

    Raises:
        ValueError: When the metric is NaN on these samples.
    """
    clicks, has_gauc = int(samples.label.sum()), _has_gauc(samples)
    found = f"{clicks:,} clicks in {len(samples):,} rows"
    if monitor is None and not has_gauc:
        if verbose:
            print(
                "No user of the part 'valid' has both a click and none: training is monitored by "
                f"logloss. The part has {found}.",
                flush=True,
            )
        return "logloss"
    if monitor in NEED_BOTH and clicks in (0, len(samples)):
        raise ValueError(
            f"`monitor={monitor!r}` needs both clicks and rows without one in the part 'valid': "
            f"take 'logloss', or make a larger part. Received: {found}."
        )
    if monitor in NEED_GROUPS and not has_gauc:
        raise ValueError(
            f"`monitor={monitor!r}` needs users of the part 'valid' with both a click and none: "
            "take 'logloss' or 'auc'. Received: no such user."
        )
    return monitor or GAUC_THEN_LOGLOSS


def _has_gauc(samples) -> bool:
    constant = np.zeros(len(samples), np.float32)
    return bool(np.isfinite(metrics.gauc(samples.label, constant, samples.group)))
