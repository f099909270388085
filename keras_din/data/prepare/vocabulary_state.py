"""Growing vocabularies: how often and when each value was seen, admission and eviction."""

import dataclasses
import os
import pathlib

import numpy as np
import pandas as pd

from keras_din.data.encoding.lookup import look_up
from keras_din.data.store.arrays import load_arrays, save_arrays
from keras_din.features import NUM_RESERVED, OOV_INDEX, Values, Vocabulary

_WAITING = "waiting.parquet"
_NEVER = np.iinfo(np.int64).min


@dataclasses.dataclass(frozen=True)
class Eviction:
    """Which values leave a vocabulary when a day is appended.

    Args:
        max_age: Microseconds after which a value that was not seen leaves, or `None`.
        max_values: The largest number of values, or `None`. The least recently seen leave first.
        by_count: Whether the least frequently seen leave first instead.
    """

    max_age: int | None = None
    max_values: int | None = None
    by_count: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class VocabularyState:
    """A vocabulary with what was seen of each value.

    Args:
        values: The `Vocabulary`.
        count: int64 `(size,)`: in how many rows of the log the value of each index was seen.
        last_seen: int64 `(size,)`: the last time of the last log that has the value, microseconds.
        since: int32 `(size,)`: the number of the append that last changed the value of each index,
            0 for `prepare`. A model that is older does not know this value.
        evicted: int32 `(size,)`: the number of the append that last evicted a value of each index,
            0 for none. In columns that are older, the index means the evicted value.
        waiting: Values that were seen fewer than `min_count` times: a `DataFrame` with the index
            `value` and the columns `count` and `last_seen`.
    """

    values: Vocabulary
    count: np.ndarray
    last_seen: np.ndarray
    since: np.ndarray
    evicted: np.ndarray
    waiting: pd.DataFrame

    @classmethod
    def of_prepared(
        cls, values: Vocabulary, count: np.ndarray, unknown: pd.Series, time: int
    ) -> "VocabularyState":
        """Creates the state of a vocabulary that was learned from a log.

        Args:
            values: The vocabulary.
            count: int64 `(size,)`: in how many rows the value of each index is.
            unknown: Raw values that are not in the vocabulary -> in how many rows they are.
            time: The last time of the log.
        """
        last_seen = np.where(count > 0, np.int64(time), _NEVER)
        never = np.zeros(values.size, np.int32)
        state = cls(values, count, last_seen, never, never, _no_values(values))
        return dataclasses.replace(state, waiting=state._waiting(unknown, time))

    def append(
        self,
        seen: pd.Series,
        time: int,
        number: int,
        min_count: int,
        eviction: Eviction,
        only_drawn: bool = False,
    ) -> tuple:
        """Counts the values of another log, admits new values and evicts old ones.

        A value is admitted when it was seen `min_count` times in all logs, and at least once in
        this one. It takes the row of an evicted value, or the next row. No other value moves. The
        padding value of the vocabulary is never admitted, such as 0 if it was not there before, and
        a value whose removal would change the padding value stays, such as 0 if it was there. If
        no value would be left, all stay.

        Args:
            seen: Raw values of the log -> in how many rows they are. A value with 0 is in use, such
                as an item that is on sale: it stays, but is not admitted.
            time: The last time of the log.
            number: The number of this append, from 1.
            min_count: How often a value must be seen.
            eviction: Which values leave.
            only_drawn: Whether the values were not seen, but drawn as negatives. They are counted
                and admitted, no value leaves, and the last times of known values stay.

        Returns:
            `(state, report)`: the new `VocabularyState`, and how many values were `admitted`,
            `evicted` and are `waiting`.
        """
        count, last_seen, waiting = self._seen(seen, _NEVER if only_drawn else time, time)
        entries = list(self.values.entries)
        is_value = np.array([value is not None for value in entries])
        today = np.zeros(len(entries), bool)
        position, known = look_up(self.values, seen.index.to_numpy())
        today[position[known]] = True

        is_new = waiting.index.isin(seen.index[seen > 0])
        new = waiting[is_new & (waiting["count"] >= min_count)]
        # Clients send this value as padding, such as 0 if no item is 0.
        new = new[new.index != self.values.padding_value]
        # By value and then by count, so that the order of the rows of a log changes nothing.
        new = new.sort_index().sort_values("count", ascending=False, kind="stable")
        may_leave = is_value & ~today & ~self._determines_padding() & (not only_drawn)
        leaves = np.zeros(len(entries), bool)
        if eviction.max_age is not None and not only_drawn:
            oldest = time - eviction.max_age
            leaves = may_leave & (last_seen[NUM_RESERVED:][: len(entries)] < oldest)
            waiting = waiting[waiting["last_seen"] >= oldest]
        if eviction.max_values is not None:
            new, leaves = self._within(
                eviction, new, leaves, may_leave, count, last_seen, int(is_value.sum())
            )
        if not len(new) and not (is_value & ~leaves).any():
            leaves[:] = False
        waiting = waiting.drop(new.index)

        free = np.flatnonzero(leaves | ~is_value)
        evicted = np.flatnonzero(leaves)
        for row in evicted:
            entries[row] = None
        admitted = np.append(free, np.arange(len(entries), len(entries) + len(new)))[: len(new)]
        entries += [None] * max(0, int(admitted.max(initial=-1)) + 1 - len(entries))
        for row, value in zip(admitted, new.index.tolist(), strict=True):
            entries[row] = value

        values = self.values
        if len(evicted) or len(admitted):
            capacity = _capacity(len(entries), self.values)
            values = Vocabulary(tuple(entries), self.values.raw_dtype, capacity=capacity)
        count, last_seen = (
            _extended(count, values.size, 0),
            _extended(last_seen, values.size, _NEVER),
        )
        since = _extended(self.since, values.size, 0)
        of_evicted = _extended(self.evicted, values.size, 0)
        of_evicted[evicted + NUM_RESERVED] = number
        for rows in (evicted, admitted):
            since[rows + NUM_RESERVED] = number
            count[rows + NUM_RESERVED], last_seen[rows + NUM_RESERVED] = 0, _NEVER
        count[admitted + NUM_RESERVED] = new["count"]
        last_seen[admitted + NUM_RESERVED] = new["last_seen"]
        report = {"admitted": len(admitted), "evicted": len(evicted), "waiting": len(waiting)}
        return VocabularyState(values, count, last_seen, since, of_evicted, waiting), report

    def _determines_padding(self) -> np.ndarray:
        """Which entries are among 0, -1, -2, ... before the padding value: bool `(entries,)`."""
        padding = self.values.padding_value
        if isinstance(padding, str):
            return np.zeros(len(self.values.entries), bool)
        return np.array([v is not None and padding < v <= 0 for v in self.values.entries], bool)

    def _seen(self, seen: pd.Series, time_of_known: int, time: int) -> tuple:
        """Returns `count`, `last_seen` and `waiting` with the values of one more log."""
        count, last_seen = self.count.copy(), np.array(self.last_seen)
        position, known = look_up(self.values, seen.index.to_numpy())
        rows = position[known] + NUM_RESERVED
        count[rows] += seen.to_numpy()[known]
        last_seen[rows] = np.maximum(last_seen[rows], time_of_known)
        unknown = seen[~known]
        return count, last_seen, self._waiting(unknown[unknown > 0], time)

    def _waiting(self, unknown: pd.Series, time: int) -> pd.DataFrame:
        """Returns `waiting` with the unknown values of one more log."""
        new = pd.DataFrame({"count": unknown, "last_seen": np.int64(time)})
        waiting = pd.concat([self.waiting, new])
        waiting = waiting.groupby(level=0, sort=True).agg({"count": "sum", "last_seen": "max"})
        waiting.index.name = "value"
        return waiting.astype(np.int64)

    def _within(self, eviction, new, leaves, may_leave, count, last_seen, values: int) -> tuple:
        """Returns the new values and the rows that leave, so that `max_values` are left.

        Values of the last log stay. If there is no room for all new values, those with the lowest
        count wait.
        """
        rows = np.flatnonzero(may_leave & ~leaves)
        by_count, by_time = count[NUM_RESERVED + rows], last_seen[NUM_RESERVED + rows]
        keys = (by_time, by_count) if eviction.by_count else (by_count, by_time)
        rows = rows[np.lexsort((rows, *keys))]
        stay = values - int(leaves.sum())
        excess = max(0, stay + len(new) - eviction.max_values)
        leaves = leaves.copy()
        leaves[rows[:excess]] = True
        stay -= min(excess, len(rows))
        return new.iloc[: max(0, eviction.max_values - stay)], leaves

    def changed_after(self, number: int) -> np.ndarray:
        """Which indices mean another value, or none, than at an append: bool `(size,)`."""
        return self.since > number

    def evicted_after(self, number: int) -> np.ndarray:
        """Which indices mean an evicted value in columns of an append: bool `(size,)`."""
        return self.evicted > number

    def save(self, folder: pathlib.Path) -> None:
        """Writes the state to a new folder. The vocabulary is part of the spec."""
        names = ("count", "last_seen", "since", "evicted")
        save_arrays(folder, {name: getattr(self, name) for name in names})
        self.waiting.to_parquet(folder / _WAITING)

    @classmethod
    def load(cls, folder: str | os.PathLike, values: Values) -> "VocabularyState":
        """Loads what `save` wrote."""
        assert isinstance(values, Vocabulary), "only vocabularies grow"
        arrays = load_arrays(folder)
        return cls(values, **arrays, waiting=pd.read_parquet(pathlib.Path(folder) / _WAITING))


def without_changed(column: np.ndarray, changed: np.ndarray) -> np.ndarray:
    """Replaces indices whose value has changed by the out-of-vocabulary index.

    Returns `column` itself, which may be memory-mapped, if it has no such index.
    """
    if not changed.any():
        return column
    known = np.zeros(max(len(changed), int(column.max(initial=0)) + 1), bool)
    known[: len(changed)] = changed
    wrong = known[column]
    return np.where(wrong, np.int32(OOV_INDEX), column) if wrong.any() else column


def _capacity(values: int, old: Vocabulary) -> int:
    """Returns the number of rows for so many values: a step of at most a quarter.

    The table keeps its size while the values fit, so that most days change no shape.
    """
    size = old.size - NUM_RESERVED
    if values <= size:
        return size
    unit = 2 ** max(0, values.bit_length() - 3)
    return (values // unit + 1) * unit


def _extended(array: np.ndarray, size: int, fill) -> np.ndarray:
    extended = np.full(size, fill, array.dtype)
    extended[: len(array)] = array
    return extended


def _no_values(values: Vocabulary) -> pd.DataFrame:
    dtype = object if values.raw_dtype == "string" else np.int64
    index = pd.Index(np.array([], dtype), name="value")
    columns = {"count": np.zeros(0, np.int64), "last_seen": np.zeros(0, np.int64)}
    return pd.DataFrame(columns, index)
