"""The order of rows in which those of one user are adjacent."""

import numpy as np

from keras_din.data.store.order import stable_argsort

__all__ = ["UserOrder", "index_type", "shuffled"]


class UserOrder:
    """Orders of rows in which those of one user are adjacent, in the order of the samples.

    Args:
        users: Integers `(rows,)`, the user of each row.
    """

    def __init__(self, users: np.ndarray):
        rows = len(users)
        self.rows = None  # The rows by user, or `None` if they are in this order.
        if (users[1:] < users[:-1]).any():
            codes = (users - users.min()).view(np.uint64)  # The difference may exceed int64.
            self.rows = stable_argsort(codes).astype(index_type(rows))
            users = users[self.rows]
        self.starts = np.flatnonzero(np.append(True, users[1:] != users[:-1]))
        self.starts = self.starts.astype(index_type(rows))
        self.sizes = np.diff(np.append(self.starts, rows)).astype(index_type(rows))

    def epoch(self, seed: int, epoch: int) -> np.ndarray:
        """The order of an epoch, `(rows,)`: users are shuffled by `(seed, epoch)`."""
        users = shuffled(len(self.starts), seed, epoch)
        sizes = self.sizes[users]
        kind = self.starts.dtype
        ends = np.cumsum(sizes, dtype=kind)
        order = np.repeat(self.starts[users] - ends + sizes, sizes)
        order += np.arange(len(order), dtype=kind)
        return order if self.rows is None else self.rows[order]


def index_type(rows: int):
    """The smallest type of row numbers."""
    return np.int32 if rows < 2**31 else np.int64


def shuffled(rows: int, seed: int, epoch: int) -> np.ndarray:
    """The order of an epoch: same as `permutation(rows)` of its generator, in half the memory."""
    order = np.arange(rows, dtype=index_type(rows))
    np.random.default_rng([seed, epoch]).shuffle(order)
    return order
