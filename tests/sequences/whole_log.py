"""Vocabularies, rows and histories of prepared data, by dicts and loops over the whole log."""

import dataclasses

from tests.data.prepare.shared import DAY

OOV = "?"
OF_ITEMS = ("item", "category")


@dataclasses.dataclass(eq=False)
class Row:
    """A row of the log: name of each feature -> list of its values, `OOV` for unknown ones.

    `line` is its number in its log, and `order` its number in all logs.
    """

    user: str
    time: int
    click: int
    values: dict
    line: int
    order: int = -1
    history: list = dataclasses.field(default_factory=list)

    def seen(self) -> tuple:
        """The values and those of the history, as a model sees them."""
        return frozen(self.values), tuple(frozen(row.values) for row in self.history)


def frozen(values: dict) -> tuple:
    """A dict of lists as tuples, without the order of a bag."""
    return tuple((name, tuple(sorted(map(str, values[name])))) for name in sorted(values))


class Entries:
    """One vocabulary.

    Args:
        entries: The values of `prepare`, in the order of their rows.
        min_count: How often a value must be seen.
    """

    def __init__(self, entries, min_count: int):
        self.entries, self.min_count = list(entries), min_count
        self.count: dict = {}
        self.last: dict = {}
        self.born = dict.fromkeys(entries, 0)  # Value -> the append that admitted it.

    def see(self, values, now: int) -> None:
        """Counts the values of a log."""
        for value in values:
            self.count[value] = self.count.get(value, 0) + 1
            self.last[value] = max(now, self.last.get(value, 0))

    def append(
        self, values, now: int, number: int, max_age, max_values, by_count: bool, in_use=()
    ) -> set:
        """Admits and evicts values. Returns those that leave. Values in use stay."""
        self.see(values, now)
        known = [value for value in self.entries if value is not None]
        for value in set(in_use) & set(known):
            self.last[value] = max(now, self.last[value])
        today, new = set(values) | set(in_use), self._new(values)
        leave = set()
        if max_age is not None:
            old = {v for v, time in self.last.items() if time < now - max_age * DAY}
            leave = old & set(known)
            for value in old - leave:  # They waited too long.
                del self.count[value], self.last[value]
        if max_values is not None:
            rest = [v for v in known if v not in today and v not in leave]
            first, second = (self.count, self.last) if by_count else (self.last, self.count)
            rest.sort(key=lambda v: (first[v], second[v], self.entries.index(v)))
            while rest and len(known) - len(leave) + len(new) > max_values:
                leave.add(rest.pop(0))
            new = new[: max(0, max_values - len(known) + len(leave))]
        if not new and leave == set(known):
            leave = set()
        for value in leave:
            self.entries[self.entries.index(value)] = None
            del self.count[value], self.last[value], self.born[value]
        self._admit(new, number)
        return leave

    def draw(self, values, now: int, number: int, max_values) -> None:
        """Counts and admits the values of negatives."""
        for value in values:
            self.count[value] = self.count.get(value, 0) + 1
            if value not in self.entries:
                self.last[value] = max(now, self.last.get(value, 0))
        new, known = self._new(values), len([v for v in self.entries if v is not None])
        self._admit(new if max_values is None else new[: max(0, max_values - known)], number)

    def _new(self, values) -> list:
        """Values that were seen often enough, the most frequent first."""
        new = [v for v in set(values) if v not in self.entries]
        new = [value for value in new if self.count[value] >= self.min_count]
        return sorted(new, key=lambda value: (-self.count[value], value))

    def _admit(self, new: list, number: int) -> None:
        for value in new:
            free = [row for row, entry in enumerate(self.entries) if entry is None]
            if free:
                self.entries[free[0]] = value
            else:
                self.entries.append(value)
            self.born[value] = number


class WholeLog:
    """All logs of impressions so far. A sample is a row.

    Args:
        entries: Name of each feature with a vocabulary -> its `Entries`.
        max_length: The largest number of behaviors of a history.
    """

    def __init__(self, entries: dict[str, Entries], max_length: int):
        self.entries, self.max_length = entries, max_length
        self.logs: list[list[Row]] = []  # The first one is that of `prepare`.
        self.days: list[list[Row]] = []  # The samples of each log, in the order of its rows.

    def start(self, rows: list[Row], data) -> None:
        """Adds the rows of `prepare`."""
        now = max(row.time for row in rows)
        drawn = self._draw(rows, now, data)
        for name, entries in self.entries.items():
            entries.see([*_values(name, rows), *_of_items(name, drawn)], now)
        self._add(rows, drawn)

    def append(
        self, rows: list[Row], data, max_age=None, max_values=None, evict="least_recent"
    ) -> None:
        """Adds the rows of a further log, which is the last day of the data."""
        now, number, left = max(row.time for row in rows), len(self.logs), {}
        for name, entries in self.entries.items():
            limits = (max_age, max_values, evict == "least_frequent")
            left[name] = entries.append(_values(name, rows), now, number, *limits)
            for row in (row for each in (*self.logs, *self.days) for row in each):
                row.values[name] = [OOV if v in left[name] else v for v in row.values[name]]
        drawn = self._draw(rows, now, data, left["item"], max_age)
        for name, entries in self.entries.items():
            entries.draw(_of_items(name, drawn), now, number, max_values)
        self._add(rows, drawn)

    def _draw(self, rows, now, data, left=(), max_age=None) -> list[Row]:
        """The samples that are no rows of the log, which were drawn when the data was made."""
        return []

    def _samples(self, rows: list[Row]) -> list[Row]:
        """The rows of a log that are samples."""
        return rows

    def _add(self, rows: list[Row], drawn: list[Row]) -> None:
        first = sum(map(len, self.logs))
        for row in (*rows, *drawn):
            row.order = first + row.line
            for name, entries in self.entries.items():
                row.values[name] = [v if v in entries.entries else OOV for v in row.values[name]]
        self.logs.append(rows)
        # Stable, so that a row is before what was drawn for it.
        self.days.append(sorted([*self._samples(rows), *drawn], key=lambda row: row.line))
        for row in self.days[-1]:
            before = [
                each
                for log in self.logs
                for each in log
                if each.click and each.user == row.user and each.time < row.time
            ]
            before.sort(key=lambda each: (each.time, each.order))
            row.history = before[-self.max_length :]


def _values(name: str, rows: list[Row]) -> list:
    return [value for row in rows for value in row.values[name]]


def _of_items(name: str, drawn: list[Row]) -> list:
    """The values of a feature that drawing items adds. Other features are those of the row."""
    return _values(name, drawn) if name in OF_ITEMS else []
