"""Recognizes logs that were read before, file by file, also the start of a file that has grown."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd

from keras_din.count_text import count_text
from keras_din.data.reading.columns import is_text_categories
from keras_din.data.reading.file_lines import get_file_lines
from keras_din.data.reading.table import Events
from keras_din.data.reading.times import time_range
from keras_din.data.store.arrays import chunks

_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # Odd, so that no bit is lost.


@dataclasses.dataclass(frozen=True)
class Deliveries:
    """The files of a log, or the log itself if it is not of several files.

    Attributes:
        entries: The number of rows and a checksum of each, which ignores the order of its rows.
        whole: The same of all files together.
        names: The files, or `["the log"]`.
        of_row: int32 `(rows,)`, the number of each row's file.
        hashes: uint64 `(rows,)`, a hash of each row.
    """

    entries: list
    whole: list
    names: list
    of_row: np.ndarray
    hashes: np.ndarray

    @property
    def to_remember(self) -> list:
        """What prepared data stores: an entry for each file, and one for all of several."""
        return [*self.entries, self.whole] if len(self.entries) > 1 else self.entries


def find_deliveries(events: Events, ids: list) -> Deliveries:
    """Finds what identifies the files of a log.

    Args:
        events: The log.
        ids: The columns of users, items and requests. Times and labels are compared too.
    """
    lines = get_file_lines(events.frame)
    rows, names = len(events.time), ["the log"] if lines is None else lines.files
    of_row, hashes = np.zeros(rows, np.int32), np.empty(rows, np.uint64)
    counts, sums = np.zeros(len(names), np.int64), np.zeros(len(names), np.uint64)
    position = events.frame.index.to_numpy()
    columns = [events.frame[name] for name in ids]
    columns += [pd.Series(each, copy=False) for each in (events.time, *events.labels.values())]
    hashers = [_hasher(column) for column in columns]
    for part in chunks(rows):
        if lines is not None:
            of_row[part] = lines.numbers(position[part])
        found = np.zeros(part.stop - part.start, np.uint64)
        for hash_of in hashers:
            # Not a sum alone, which would be the same for other pairs of values.
            found = pd.util.hash_array(found * _FACTOR ^ hash_of(part))
        hashes[part] = found
        counts += np.bincount(of_row[part], minlength=len(names))
        for shift in (0, 16, 32, 48):  # Sums of a few bits are exact as floats.
            bits = (found >> np.uint64(shift) & np.uint64(0xFFFF)).astype(np.float64)
            total = np.bincount(of_row[part], bits, minlength=len(names)).astype(np.uint64)
            sums += total << np.uint64(shift)
    used = np.flatnonzero(counts)
    number = np.zeros(len(names), np.int32)
    number[used] = np.arange(len(used))
    entries = [[int(counts[i]), _checksum(int(sums[i]))] for i in used]
    whole = [rows, _checksum(int(sums.sum(dtype=np.uint64)))]
    return Deliveries(entries, whole, [names[i] for i in used], number[of_row], hashes)


def _checksum(total: int) -> str:
    return f"{total % 2**64:016x}"


def without_known(events: Events, deliveries: Deliveries, known: list) -> tuple:
    """Leaves out the rows of files that were read before, also when a file has grown since.

    Returns:
        `(events, entries, left out)`: the other rows, the entries of their files, and what was
        left out: the names of files, and `"the first 60 rows of log.csv"`.
    """
    is_known = np.array([entry in known for entry in deliveries.entries], bool)
    is_known |= deliveries.whole in known  # The same rows may have been in other files.
    is_left_out = is_known[deliveries.of_row]
    starts = {}
    line_order = np.argsort(events.frame.index.to_numpy(), kind="stable")
    for number in np.flatnonzero(~is_known):
        rows = line_order[deliveries.of_row[line_order] == number]
        size = _known_start(deliveries.hashes[rows], known)
        is_left_out[rows[:size]] = True
        is_known[number] = size == len(rows)
        if 0 < size < len(rows):
            starts[deliveries.names[number]] = size
    files = [name for name, old in zip(deliveries.names, is_known, strict=True) if old]
    entries = [entry for entry, old in zip(deliveries.entries, is_known, strict=True) if not old]
    left_out = [
        *(f"the first {count_text(size, 'row')} of {name}" for name, size in starts.items()),
        *files,
    ]
    if not left_out or not entries:
        return events, deliveries.to_remember if entries else [], left_out
    kept = np.flatnonzero(~is_left_out)
    used, user = np.unique(events.user[kept], return_inverse=True)
    bad = events.bad
    if bad is not None and "file" in bad:
        bad = bad[~bad["file"].isin(files)]
    report = {
        **events.report,
        **time_range(events.time[kept], events.report["time_unit"]),
        "users": len(used),
        "rows_kept": len(kept),
        "files_left_out": files,
        "rows_read_before": starts,
    }
    kept_events = Events(
        frame=events.frame.iloc[kept],
        user=user,
        users=events.users[used],
        time=events.time[kept],
        labels={name: values[kept] for name, values in events.labels.items()},
        weight=None if events.weight is None else events.weight[kept],
        report=report,
        bad=bad,
    )
    return kept_events, entries, left_out


def _known_start(hashes: np.ndarray, known: list) -> int:
    """How many of the first rows of a file are those of one or several files of before."""
    sums = np.append(np.uint64(0), np.cumsum(hashes, dtype=np.uint64))
    size = 0
    while True:
        ends = [
            size + rows
            for rows, checksum in known
            if 0 < rows <= len(hashes) - size
            and _checksum(int(sums[size + rows]) - int(sums[size])) == checksum
        ]
        if not ends:
            return size
        size = max(ends)


def _hasher(values: pd.Series) -> Callable:
    """Returns the function from a slice of rows to a hash of each value, uint64 `(rows,)`.

    A hash is the same for all types that hold the same values.
    """
    if pd.api.types.is_numeric_dtype(values.dtype):
        kind = np.int64 if pd.api.types.is_integer_dtype(values.dtype) else np.float64
        if isinstance(values.dtype, np.dtype):
            return lambda part: pd.util.hash_array(values.iloc[part].to_numpy(kind))
        return lambda part: pd.util.hash_array(values.iloc[part].to_numpy(kind, na_value=0))
    if is_text_categories(values.dtype):
        codes, distinct = values.cat.codes.to_numpy(), values.cat.categories
    else:
        codes, distinct = pd.factorize(values)
    text = np.array([str(value) for value in distinct], object)
    hashes = pd.util.hash_array(text, categorize=False)
    hashes = np.append(hashes, np.uint64(0))  # Of missing values, whose code is -1.
    return lambda part: hashes[codes[part]]
