"""`PastEvents`: how many rows and events each key had before a time, such as clicks of an item."""

import dataclasses
from typing import NamedTuple

import numpy as np

from keras_din.data.store.arrays import strip_prefix
from keras_din.data.store.saved_columns import SavedColumns

_INT32, _INT64 = np.iinfo(np.int32), np.iinfo(np.int64)
NEVER = int(_INT64.max)  # The time of the first event of a key that has none.


class Keys(NamedTuple):
    """The key of each row.

    Attributes:
        code: int64 `(rows,)`, the number of each row's key.
        hashes: uint64 `(keys,)`, a hash of each key, the same in all logs.
    """

    code: np.ndarray
    hashes: np.ndarray


class SortedRows(NamedTuple):
    """Rows sorted by key and then by time, as one integer per row.

    Attributes:
        keys: uint64 `(keys,)`, ascending: the hashes of the keys.
        times: int64 `(times,)`, ascending: the distinct times.
        places: int64 `(rows,)`, ascending: `key * len(times) + index of the time`.
        order: int64 `(rows,)`: the position of each sorted row among the rows before sorting.
    """

    keys: np.ndarray
    times: np.ndarray
    places: np.ndarray
    order: np.ndarray

    @property
    def key(self) -> np.ndarray:
        """The number of each sorted row's key, int64 `(rows,)`."""
        return self.places // max(len(self.times), 1)

    @property
    def at(self) -> np.ndarray:
        """The number of each sorted row's time, int64 `(rows,)`."""
        return self.places % max(len(self.times), 1)

    def unsorted(self, values: np.ndarray) -> np.ndarray:
        """Returns values of the sorted rows in the order before sorting."""
        result = np.empty_like(values)
        result[self.order] = values
        return result


def sort_rows(keys: Keys, time: np.ndarray) -> SortedRows:
    """Sorts rows by key and time. `time` is int64 `(rows,)`, microseconds."""
    distinct, number = np.unique(keys.hashes, return_inverse=True)
    times, at = np.unique(time, return_inverse=True)
    places = number[keys.code] * len(times) + at
    order = np.argsort(places)
    return SortedRows(distinct, times, places[order], order)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class PastEvents(SavedColumns):
    """The rows of a log, sorted by key and time, with cumulative sums of their events.

    `n` rows need two sorts of `n` integers. A query needs no loop over keys either: it is a binary
    search in integers that order the rows by key and then by time.

    Args:
        keys: uint64 `(keys,)`, ascending: a hash of each key.
        times: int64 `(times,)`, ascending: the distinct times of all rows, microseconds.
        places: int64 `(rows,)`, ascending: `key * len(times) + index of the time`.
        totals: Name of an event -> integers `(rows + 1,)`: the number of events in the rows before.

    Example:

    ```python
    from keras_din.data.prepare.past_events import Keys, PastEvents, sort_rows

    # The item with the hash 7 was shown at the times 10, 20 and 30, and clicked at 10 and 30.
    keys = Keys(np.zeros(3, int), np.array([7], np.uint64))
    rows = sort_rows(keys, np.array([10, 20, 30]))
    past = PastEvents.of_rows(rows, {"click": np.array([1, 0, 1])})
    past.count(rows, "click")  # [0, 1, 1]
    past.count(rows)  # [0, 1, 2] rows
    past.count(rows, window=10)  # [0, 1, 1] rows
    ```
    """

    keys: np.ndarray
    times: np.ndarray
    places: np.ndarray
    totals: dict

    @classmethod
    def of_rows(cls, rows: SortedRows, events: dict) -> "PastEvents":
        """Creates it from sorted rows. `events` is name -> 0 or 1 `(rows,)`, before sorting."""
        dtype = np.int32 if len(rows.places) < _INT32.max else np.int64
        totals = {name: np.zeros(len(rows.places) + 1, dtype) for name in events}
        for name, values in events.items():
            np.cumsum(values[rows.order], out=totals[name][1:], dtype=dtype)
        return cls(rows.keys, rows.times, rows.places, totals)

    def count(
        self, queries: SortedRows, event: str | None = None, window: int | None = None
    ) -> np.ndarray:
        """Counts the events of each query's key strictly before its time.

        Args:
            queries: The keys and times of the queries.
            event: Name of an event, or `None` to count rows.
            window: Microseconds: rows more than a window before the time do not count. `None`
                counts all rows before the time.

        Returns:
            int64 `(queries,)`, in the order of the queries before sorting.
        """
        number = self._numbers(queries.keys)
        known = (number >= 0)[queries.key]
        first_place = np.maximum(number, 0) * len(self.times)
        of_key = first_place[queries.key]
        until = np.searchsorted(self.times, queries.times)[queries.at]
        end = np.searchsorted(self.places, of_key + until)
        if window is None:
            start = np.searchsorted(self.places, first_place)[queries.key]
        else:
            earliest = np.maximum(queries.times, _INT64.min + window) - window
            since = np.searchsorted(self.times, earliest)[queries.at]
            start = np.searchsorted(self.places, of_key + since)
        if event is None:
            counts = end - start
        else:
            totals = self.totals[event]
            counts = totals[end].astype(np.int64) - totals[start]
        return queries.unsorted(np.where(known, counts, 0))

    def first(self, keys: np.ndarray, event: str | None = None) -> np.ndarray:
        """Returns the time of the first event of each key, or `NEVER`.

        Args:
            keys: uint64 `(queries,)`, ascending: hashes of keys.
            event: Name of an event, or `None` for the first row.

        Returns:
            int64 `(queries,)`.
        """
        number = self._numbers(keys)
        found = np.full(len(number), NEVER)
        known = np.flatnonzero(number >= 0)
        first = number[known] * len(self.times)
        row, end = np.searchsorted(self.places, np.stack([first, first + len(self.times)]))
        if event is not None:
            totals = self.totals[event]
            row = np.searchsorted(totals, totals[row], side="right") - 1
        has = row < end
        found[known[has]] = self.times[self.places[row[has]] % len(self.times)]
        return found

    def _numbers(self, keys: np.ndarray) -> np.ndarray:
        """The number of each key here, or -1: int64 `(queries,)`."""
        if not len(self.keys):
            return np.full(len(keys), -1)
        number = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[number] == keys, number, -1)

    def arrays(self) -> dict:
        """Name of the saved file -> its array."""
        arrays = {name: getattr(self, name) for name in ("keys", "times", "places")}
        return arrays | {f"totals/{name}": values for name, values in self.totals.items()}

    @classmethod
    def from_arrays(cls, arrays: dict) -> "PastEvents":
        """Creates it from the result of `arrays`."""
        totals = strip_prefix(arrays, "totals")
        return cls(arrays["keys"], arrays["times"], arrays["places"], totals)
