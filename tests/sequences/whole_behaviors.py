"""Samples and negatives of logs of behaviors, by dicts and loops over the whole log."""

from tests.data.prepare.shared import DAY
from tests.sequences.whole_log import Entries, Row, WholeLog

NEGATIVES = 2


class WholeBehaviors(WholeLog):
    """All logs of behaviors so far. A sample is a row that is not the first one of its user.

    Negatives are drawn at random, so they are read from the data and checked by their rule: an
    item of the catalog that the user has not met until then. From there on they are rows like any
    other, which are counted and never change.
    """

    def __init__(self, entries: dict[str, Entries], max_length: int):
        super().__init__(entries, max_length)
        self.met: dict[str, set] = {}
        self.catalog: dict[int, int] = {}  # Item -> the last time of its last log.

    def _draw(self, rows, now, data, left=(), max_age=None) -> list[Row]:
        for row in rows:
            (item,) = row.values["item"]
            self.met.setdefault(row.user, set()).add(item)
            self.catalog[item] = max(now, self.catalog.get(item, 0))
        oldest = -1 if max_age is None else now - max_age * DAY
        self.catalog = {i: t for i, t in self.catalog.items() if t >= oldest and i not in left}
        items = self._negatives(data)
        shown = self._samples(rows)
        assert sorted(items) == sorted(row.line for row in shown)
        drawn = []
        for row in shown:
            assert len(items[row.line]) == NEGATIVES
            for item in items[row.line]:
                assert item in self.catalog
                assert item not in self.met[row.user]
                values = {"item": [item], "category": [f"c{item // 3}"]}
                drawn.append(Row(row.user, row.time, 0, row.values | values, row.line))
        return drawn

    def _negatives(self, data) -> dict:
        """Row of the last log of the data -> the items that were drawn for it."""
        found: dict[int, list] = {}
        parts = [data.days[-1].samples] if data.days else data.parts.values()
        for samples in parts:
            for i, line in enumerate(samples.line):
                if not samples.label[i]:
                    item = int(samples.columns["number"][i])
                    found.setdefault(int(line), []).append(item)
        return found

    def _samples(self, rows: list[Row]) -> list[Row]:
        before = [row for log in self.logs for row in log if log is not rows]
        return [row for row in rows if self._has_earlier(row, before, rows)]

    def _has_earlier(self, row: Row, before: list[Row], rows: list[Row]) -> bool:
        earlier = [each for each in before if each.time <= row.time]
        earlier += [each for each in rows if (each.time, each.line) < (row.time, row.line)]
        return any(each.user == row.user for each in earlier)
