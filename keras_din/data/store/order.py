"""Sorting by numbers that count something, ranges of rows, and rows that are of one request."""

import numpy as np

_BITS = 16  # NumPy sorts so many by counting, wider integers by comparison.


def order_of(codes: np.ndarray) -> np.ndarray:
    """`np.argsort(codes, kind="stable")` of integers of 0 and more, in a third of its time."""
    order = np.argsort(codes.astype(np.uint16), kind="stable")
    rest = codes >> _BITS
    while rest.any():
        order = order[np.argsort(rest[order].astype(np.uint16), kind="stable")]
        rest >>= _BITS
    return order


def order_of_events(times: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """`np.lexsort((times, codes))`: by code, then by time, then as they stand."""
    later = np.diff(codes)
    if not ((later < 0) | ((later == 0) & (np.diff(times) < 0))).any():
        return np.arange(len(codes))
    by_time = np.argsort(times, kind="stable")
    return by_time[order_of(codes[by_time])]


def ranges(start: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The numbers from each start on, as many as its size, one range after another."""
    return np.repeat(start - np.cumsum(size) + size, size) + np.arange(size.sum())


def requests(user: np.ndarray, code: np.ndarray, time: np.ndarray) -> tuple:
    """Rows of one user and one code are one request, and its time is the earliest of theirs.

    Args:
        user: Numbers of users `(rows,)`, from 0.
        code: Numbers of requests `(rows,)`, from 0; of different users they may be the same. -1
            is a row without one, which is a request by itself.
        time: Times `(rows,)`.

    Returns:
        `(number, time)`, `(rows,)` each: the number of the request, by user and then by code, and
        its time.
    """
    codes = int(code.max(initial=-1)) + 1
    alone = np.flatnonzero(code < 0)
    code = code.astype(np.int64)
    code[alone] = codes + np.arange(len(alone))
    _, number = np.unique(user * (codes + len(alone)) + code, return_inverse=True)
    earliest = np.full(number.max(initial=-1) + 1, np.iinfo(np.int64).max)
    np.minimum.at(earliest, number, time)
    return number, earliest[number]
