"""Selects the best evaluation of a training."""

import difflib
import operator
from typing import NamedTuple

import numpy as np

from keras_din.checks import one_of
from keras_din.metrics import GroupAUC, mean_and_error

__all__ = [
    "GAUC_THEN_LOGLOSS",
    "MONITORS",
    "NEED_BOTH",
    "NEED_GROUPS",
    "NUMBER_MONITORS",
    "SMALLEST_GAIN",
    "Best",
    "Evaluated",
    "split_monitor",
]

GAUC_THEN_LOGLOSS = "gauc_then_logloss"
_BETTER = {
    "gauc": operator.gt,
    "auc": operator.gt,
    "logloss": operator.lt,
    "ne": operator.lt,
    "ece": operator.lt,
}
MONITORS = (GAUC_THEN_LOGLOSS, *_BETTER)
NUMBER_MONITORS = ("rmse", "mae")
_BETTER |= dict.fromkeys(NUMBER_MONITORS, operator.lt)
NEED_GROUPS = (GAUC_THEN_LOGLOSS, "gauc")
NEED_BOTH = (*NEED_GROUPS, "auc", "ne")  # They are NaN if all labels are equal.
# A smaller difference of GAUC is always noise, because another seed changes the GAUC as much. With
# many users it can be statistically significant all the same.
SMALLEST_GAIN = 1e-3


def has_position_bias(spec) -> bool:
    """Whether the first output of a spec depends on a `Position`, so that its logloss is monitored.

    The GAUC of the output without the position is that of a log in which some policy ordered the
    candidates. A model has a higher one if it repeats this order.
    """
    return spec is not None and spec.position is not None and spec.labels[0].is_binary


def split_monitor(monitor: str | None, outputs, prefix: str = "", numbers=()) -> tuple:
    """Splits the name of a monitor into the name of an output and a metric.

    `"gauc"` is the GAUC of the first output, `"cvr_gauc"` the GAUC of the output `cvr`.

    Args:
        monitor: `prefix`, the name of an output and `_`, and one of `MONITORS`, or of
            `NUMBER_MONITORS` for an output that is a number. Without the name of an output the
            monitor belongs to the first output. `None` is the default of the first output,
            `"gauc_then_logloss"`, or `"rmse"` for a number.
        outputs: Names of the outputs.
        prefix: The prefix that `monitor` must have.
        numbers: Names of the outputs that are numbers, or `None` if this is not known.

    Returns:
        `(output, monitor)`.

    Raises:
        ValueError: When `monitor` is not valid. The error names the nearest valid names.
    """
    outputs = list(outputs)

    def metrics(output):
        if numbers is None:
            return (*MONITORS, *NUMBER_MONITORS)
        return NUMBER_MONITORS if output in numbers else MONITORS

    if monitor is None:
        return outputs[0], metrics(outputs[0])[0]
    names = {prefix + name: (outputs[0], name) for name in metrics(outputs[0])}
    if len(outputs) > 1:
        names |= {f"{prefix}{o}_{name}": (o, name) for o in outputs for name in metrics(o)}
    if monitor not in tuple(names):  # A tuple: a list has no hash.
        nearest = _nearest(monitor, outputs, prefix, names) if isinstance(monitor, str) else []
        hint = f" Nearest: {_quoted(nearest)}." if nearest else ""
        raise ValueError(
            f"`monitor` must be one of {_quoted(names)}.{hint} Received: monitor={monitor!r}."
        )
    return names[monitor]


def _nearest(text: str, outputs: list, prefix: str, names) -> list:
    """Returns the valid names of the metric at the end of `text`, of the output before it.

    If there is another word before it, these are the names of the metric for each output. If there
    is no metric, they are the most similar names.
    """
    by_length = sorted(_BETTER.keys() | {GAUC_THEN_LOGLOSS}, key=len, reverse=True)
    metric = next((name for name in by_length if f"_{text}".endswith(f"_{name}")), None)
    if metric is None:
        return difflib.get_close_matches(text, names)
    if len(outputs) == 1 or text == metric:
        return [name for name in [prefix + metric] if name in names]
    start = f"_{text}".removesuffix(metric)
    of_output = [output for output in outputs if start.endswith(f"_{output}_")]
    found = [prefix + metric, *(f"{prefix}{output}_{metric}" for output in outputs)]
    if of_output:
        found = [f"{prefix}{max(of_output, key=len)}_{metric}"]
    return [name for name in found if name in names]


def _quoted(names) -> str:
    return ", ".join(map(repr, names))


class Evaluated(NamedTuple):
    """One evaluation.

    Attributes:
        step: Its step.
        epoch: Its epoch, `None` before training.
        value: The monitored metric.
        logloss: The logloss, NaN for a number.
        auc: AUC of each group, for `"gauc_then_logloss"`.
        weights: Weight of each group, for `"gauc_then_logloss"`.
    """

    step: int
    epoch: int | None
    value: float
    logloss: float
    auc: np.ndarray | None = None
    weights: np.ndarray | None = None


class Best:
    """The best evaluation so far.

    `monitor="gauc_then_logloss"` compares the GAUC of an evaluation with the highest GAUC so far.
    The evaluation is within the noise if its GAUC is lower by at most one standard error of the
    difference, or by at most .001. Of the evaluations within the noise, the one with the lowest
    logloss is best. The standard error is that of `keras_din.metrics.gauc_difference`: both models
    rank the same rows. The standard error of a single GAUC would be too large, since it mostly
    comes from users who are hard for both models.

    Training keeps the weights of one evaluation only. So a later evaluation is compared with the
    best evaluation and with the highest GAUC. An evaluation that was rejected is never the best
    later.

    Args:
        monitor: One of `MONITORS`: `"gauc_then_logloss"`, the highest `"gauc"` or `"auc"`, or the
            lowest `"logloss"`, `"ne"` or `"ece"`; or one of `NUMBER_MONITORS`: the lowest `"rmse"`
            or `"mae"`. Of equal evaluations the first is best.
        prefix: Prefix of the names of the metrics, such as `"cvr_"`, if there are several outputs.

    Attributes:
        evaluation: The best evaluation, `None` before the first one.
        highest: The evaluation with the highest GAUC, for `"gauc_then_logloss"`.
    """

    def __init__(self, monitor: str, prefix: str = ""):
        self.monitor = one_of("monitor", monitor, (*MONITORS, *NUMBER_MONITORS))
        self.metric = "gauc" if monitor == GAUC_THEN_LOGLOSS else monitor
        self.prefix = prefix
        self.evaluation: Evaluated | None = None
        self.highest: Evaluated | None = None

    def update(self, entry: dict, by_group: GroupAUC | None = None) -> bool:
        """Adds an evaluation, and returns whether it is the best so far.

        Args:
            entry: Its `step`, `epoch` and metrics. If the metric is NaN, it is not the best.
            by_group: The AUC of each group, for `"gauc_then_logloss"`.
        """
        value = entry[self.prefix + self.metric]
        if np.isnan(value):
            return False
        logloss = entry.get(f"{self.prefix}logloss", np.nan)
        new = Evaluated(entry["step"], entry["epoch"], value, logloss)
        if self.monitor != GAUC_THEN_LOGLOSS:
            best = self.evaluation
            is_best = best is None or _BETTER[self.metric](value, best.value)
        else:
            if by_group is None:
                raise ValueError(
                    f"`by_group` must be given to monitor {GAUC_THEN_LOGLOSS!r}. Received: None."
                )
            new = new._replace(auc=by_group.auc, weights=by_group.impressions)
            if self.highest is None or value > self.highest.value:
                self.highest = new
            best = self.evaluation
            is_best = (
                best is None
                or not _is_within_noise(best, self.highest)
                or (_is_within_noise(new, self.highest) and new.logloss < best.logloss)
            )
        if is_best:
            self.evaluation = new
        return is_best

    def state(self) -> tuple:
        """Returns `(numbers, arrays)`: a dict of JSON values and a dict of NumPy arrays."""
        numbers: dict[str, list] = {}
        arrays: dict[str, np.ndarray] = {}
        for name in ("evaluation", "highest"):
            evaluation = getattr(self, name)
            if evaluation is not None:
                numbers[name] = list(evaluation[:4])
                if evaluation.auc is not None:
                    arrays |= {name: evaluation.auc, "weights": evaluation.weights}
        return numbers, arrays

    def restore(self, numbers: dict, arrays) -> None:
        """Restores what `state` returned."""
        for name, values in numbers.items():
            by_group = (arrays[name], arrays["weights"]) if name in arrays else ()
            setattr(self, name, Evaluated(*values, *by_group))


def _is_within_noise(evaluation, highest) -> bool:
    """Returns whether the highest GAUC is not significantly higher."""
    error = np.nan
    if evaluation.auc.shape == highest.auc.shape:  # Else the dataset has changed.
        _, error = mean_and_error(highest.auc - evaluation.auc, highest.weights)
    return highest.value - evaluation.value <= np.fmax(error, SMALLEST_GAIN)
