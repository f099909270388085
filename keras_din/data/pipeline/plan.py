"""The rows of a data set's batches, and their order, without TensorFlow."""

import dataclasses

import numpy as np

from keras_din.checks import one_of
from keras_din.count_text import count_text
from keras_din.data.pipeline.user_order import UserOrder, shuffled
from keras_din.data.store.consistency import check_samples, check_shared, request_starts
from keras_din.features import TIME

__all__ = ["Plan", "plan_batches"]


@dataclasses.dataclass(frozen=True)
class Plan:
    """Which rows a data set has, and in which order.

    Attributes:
        columns: The columns of `check_samples`.
        bounds: The first row of each request, or `None` if a row is no request.
        rows: Number of rows, or of requests.
        batches: Number of batches of an epoch.
        firsts: The first sample of each row: a slice or row numbers.
        users: The order by user, or `None`.
    """

    columns: dict
    bounds: np.ndarray | None
    rows: int
    batches: int
    firsts: slice | np.ndarray
    users: UserOrder | None

    def order(self, seed: int, epoch: int) -> np.ndarray:
        """The rows of a shuffled epoch, `(rows,)`."""
        if self.users is None:
            return shuffled(self.rows, seed, epoch)
        return self.users.epoch(seed, epoch)


def plan_batches(
    spec, behaviors, samples, batch_size: int, by_request: bool, batch_by, drop_remainder: bool
) -> Plan:
    """Checks the samples and arguments of `dataset`, and returns the rows of its batches."""
    columns = check_samples(spec, behaviors, samples)
    bounds = request_starts(samples) if by_request else None
    rows = len(samples) if bounds is None else len(bounds) - 1
    batches = rows // batch_size if drop_remainder else -(-rows // batch_size)
    if not batches:
        raise ValueError(
            f"`samples` must fill at least one batch. Received: {count_text(rows, 'row')} with "
            f"batch_size={batch_size}, drop_remainder={drop_remainder}."
        )
    if by_request:
        _check_requests(spec, samples, columns, bounds)
    one_of("batch_by", batch_by, (None, "user"))
    firsts = slice(rows) if bounds is None else bounds[:rows]
    users = UserOrder(samples.group[firsts]) if batch_by else None
    return Plan(columns, bounds, rows, batches, firsts, users)


def _check_requests(spec, samples, columns, bounds) -> None:
    for name, info in spec.inputs.items():
        if info.role == "context":
            check_shared(f"context {name!r}", columns[name], bounds)
    for name, (start, end) in samples.history.items():
        check_shared(f"the start of {name!r}", start, bounds)
        check_shared(f"the end of {name!r}", end, bounds)
    check_shared("`group`", samples.group, bounds)
    if TIME in spec.time_inputs:
        check_shared("`time`", samples.time, bounds)
