"""Reads prepared data as a model sees it, to compare it with a `WholeLog`."""

from keras_din.data.store.bags import Bags
from keras_din.features import NUM_RESERVED
from tests.sequences.whole_log import OOV, Row, WholeLog, frozen

FEATURES = ("item", "category", "tags")
OF_HISTORY = ("item", "category")


def rows_of(frame) -> list[Row]:
    """The rows of a log."""
    return [
        Row(
            each.user,
            each.time,
            getattr(each, "click", 1),  # Each row of a log of behaviors is one.
            {"item": [each.item], "category": [each.category], "tags": each.tags.split("|")},
            line,
        )
        for line, each in enumerate(frame.itertuples())
    ]


def raw(spec, name: str, column, row: int) -> list:
    """The raw values in a row of a column."""
    entries = spec.features[name].vocabulary
    indices = column.values_of(row) if isinstance(column, Bags) else [column[row]]
    return [OOV if i == 1 else entries[i - NUM_RESERVED] for i in indices]


def seen(spec, behaviors, samples, row: int, max_length: int) -> tuple:
    """The values of a row and of its history, like `Row.seen`."""
    values = {name: raw(spec, name, samples.columns[name], row) for name in FEATURES}
    log, (start, end) = behaviors["hist"], samples.history["hist"]
    first, last = max(start[row], end[row] - max_length), end[row]
    history = [
        {name: raw(spec, name, log.columns[name], event) for name in OF_HISTORY}
        for event in range(first, last)
    ]
    return frozen(values), tuple(map(frozen, history))


def seen_of(row: Row) -> tuple:
    """What a model sees of a row of a `WholeLog`."""
    history = [{name: each.values[name] for name in OF_HISTORY} for each in row.history]
    return frozen(row.values), tuple(map(frozen, history))


def check_data(data, whole: WholeLog) -> None:
    """Compares all of prepared data with the whole log."""
    pieces = [(data.behaviors, list(data.parts.values()))]
    pieces += [(day.behaviors, [day.samples]) for day in data.days]
    assert len(pieces) == len(whole.days)
    for (behaviors, parts), rows in zip(pieces, whole.days, strict=True):
        assert sum(map(len, parts)) == len(rows)
        of_line: dict[int, list] = {}
        for row in rows:
            of_line.setdefault(row.line, []).append(row)
        for samples in parts:
            for i, line in enumerate(samples.line):
                row, *of_line[line] = of_line[line]
                assert samples.label[i] == row.click
                assert samples.time[i] == row.time * 1_000_000
                assert seen(data.spec, behaviors, samples, i, whole.max_length) == seen_of(row)
    for name, expected in whole.entries.items():
        entries = data.spec.features[name].vocabulary
        assert list(entries) == expected.entries
        living = [value for value in entries if value is not None]
        assert len(set(living)) == len(living)
        state = data.vocabularies[name]
        for index, value in enumerate(entries, NUM_RESERVED):
            assert state.count[index] == (0 if value is None else expected.count[value])
        assert not state.count[NUM_RESERVED + len(entries) :].any()
        waiting = {v: c for v, c in expected.count.items() if v not in entries}
        assert state.waiting["count"].to_dict() == waiting
    if data.catalog is not None:
        assert set(data.catalog.items) == set(whole.catalog)


def check_replay(data, whole: WholeLog, index: int, replay: float) -> None:
    """A day with replay has the day's rows and older ones, with their own histories."""
    part = data.day_with_replay(index, replay, seed=index)
    samples = part.parts["train"]
    found = [
        seen(data.spec, part.behaviors, samples, i, whole.max_length) for i in range(len(samples))
    ]
    day = whole.days[index + 1]
    assert sorted(found[: len(day)]) == sorted(map(seen_of, day))
    older = {seen_of(row) for rows in whole.days[: index + 1] for row in rows}
    assert set(found[len(day) :]) <= older
    all_older = len(data.parts["train"]) + sum(map(len, whole.days[1 : index + 1]))
    assert len(found) - len(day) == min(round(len(day) * replay / (1 - replay)), all_older)
