"""Which evaluation of a training is the best one."""

import operator
from typing import NamedTuple

import numpy as np

from keras_din.checks import one_of
from keras_din.metrics import GroupAUC, mean_and_error

GAUC_THEN_LOGLOSS = "gauc_then_logloss"
_BETTER = {
    "gauc": operator.gt,
    "auc": operator.gt,
    "logloss": operator.lt,
    "ne": operator.lt,
    "ece": operator.lt,
}
MONITORS = (GAUC_THEN_LOGLOSS, *_BETTER)
NEED_GROUPS = (GAUC_THEN_LOGLOSS, "gauc")
NEED_BOTH = (*NEED_GROUPS, "auc", "ne")  # Those that are NaN where all labels are the same.
# Differences of GAUC up to this one never outweigh the logloss, also where there are so many
# users that they are significant: another seed changes as much.
SMALLEST_GAIN = 1e-3


def split_monitor(monitor: str, outputs, prefix: str = "") -> tuple:
    """`(output, monitor)`: which output is watched, and which of `MONITORS` of it.

    `"gauc"` is that of the first output, `"cvr_gauc"` that of the output `cvr`.

    Args:
        monitor: One of `MONITORS`, with or without the name of an output and `_` before it.
        outputs: Names of the outputs.
        prefix: What `monitor` must begin with.

    Raises:
        ValueError: When `monitor` is something else.
    """
    outputs = list(outputs)
    names = {prefix + name: (outputs[0], name) for name in MONITORS}
    if len(outputs) > 1:
        names |= {f"{prefix}{o}_{name}": (o, name) for o in outputs for name in MONITORS}
    return names[one_of("monitor", monitor, tuple(names))]


class Evaluated(NamedTuple):
    """What is kept of an evaluation: `auc` and `weights` of each group, where they are needed."""

    step: int
    epoch: int | None
    value: float
    logloss: float
    auc: np.ndarray | None = None
    weights: np.ndarray | None = None


class Best:
    """The best evaluation so far.

    With `monitor="gauc_then_logloss"` an evaluation is within the noise of the one with the
    highest GAUC so far when its GAUC is less by no more than one standard error of their
    difference, or by no more than .001. Of those within the noise, the one with the least logloss
    is best. The standard error is that of `keras_din.metrics.gauc_difference`, over the same
    users, since both models ranked the same rows. That of one GAUC would be too large: it mostly
    says that some users are harder than others, for both models alike.

    A training keeps the weights of one evaluation, so a later evaluation is compared with the
    best one and the one with the highest GAUC. One that was passed over does not come back.

    Args:
        monitor: One of `MONITORS`. The others are a metric alone: the highest `"gauc"` or
            `"auc"`, or the lowest `"logloss"`, `"ne"` or `"ece"`. Of equal ones the first is best.
        prefix: What the names of the metrics begin with, such as `"cvr_"`, where there are those
            of several outputs.
    """

    def __init__(self, monitor: str, prefix: str = ""):
        self.monitor = one_of("monitor", monitor, MONITORS)
        self.metric = "gauc" if monitor == GAUC_THEN_LOGLOSS else monitor
        self.prefix = prefix
        self.kept = self.top = None

    def update(self, entry: dict, by_group: GroupAUC | None = None) -> bool:
        """Takes note of an evaluation, and returns whether it is the best so far.

        Args:
            entry: Its `step`, `epoch` and metrics. One whose metric is NaN is never best.
            by_group: The AUC of each group, for `"gauc_then_logloss"`.
        """
        value = entry[self.prefix + self.metric]
        if np.isnan(value):
            return False
        logloss = entry[f"{self.prefix}logloss"]
        new = Evaluated(entry["step"], entry["epoch"], value, logloss)
        if self.monitor != GAUC_THEN_LOGLOSS:
            is_best = self.kept is None or _BETTER[self.metric](value, self.kept.value)
        else:
            new = new._replace(auc=by_group.auc, weights=by_group.impressions)
            if self.top is None or value > self.top.value:
                self.top = new
            is_best = (
                self.kept is None
                or not self._is_in_noise(self.kept)
                or (self._is_in_noise(new) and new.logloss < self.kept.logloss)
            )
        if is_best:
            self.kept = new
        return is_best

    def _is_in_noise(self, evaluated) -> bool:
        """Whether the highest GAUC so far is not clearly more."""
        error = np.nan
        if evaluated.auc.shape == self.top.auc.shape:  # Else the dataset has changed meanwhile.
            _, error = mean_and_error(self.top.auc - evaluated.auc, self.top.weights)
        return self.top.value - evaluated.value <= np.fmax(error, SMALLEST_GAIN)

    def state(self) -> tuple:
        """`(numbers, arrays)`: what JSON holds and what a file of arrays holds."""
        numbers, arrays = {}, {}
        for name in ("kept", "top"):
            evaluated = getattr(self, name)
            if evaluated is not None:
                numbers[name] = list(evaluated[:4])
                if evaluated.auc is not None:
                    arrays |= {name: evaluated.auc, "weights": evaluated.weights}
        return numbers, arrays

    def restore(self, numbers: dict, arrays) -> None:
        """Takes what `state` gave."""
        for name, values in numbers.items():
            found = (arrays[name], arrays["weights"]) if name in arrays else ()
            setattr(self, name, Evaluated(*values, *found))
