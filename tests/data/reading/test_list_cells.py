"""Lists in columns of single values: these rows are kept aside, in frames and in JSON lines."""

import json

import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from keras_din.data import prepare_impressions
from keras_din.data.reading.list_cells import split_off_lists
from tests.data.reading.shared import check_arrays


def test_rows_with_lists_by_hand():
    frame = pd.DataFrame({"n": [1, [2], None, 4.5], "tags": [["a"], ["b"], "c", None], "x": "y"})
    rows, lines, bad = split_off_lists(frame, ["n", "tags", "x"])
    assert rows["n"].tolist()[0::2] == [1, 4.5]
    assert lines.tolist() == [0, 2, 3]
    assert bad["line"].tolist() == [1]
    assert str(bad["reason"][1]) == "'n' is a list, unlike in most rows"
    for columns, several in ((["tags", "x"], ()), (["n", "x"], {"n"})):
        rows, lines, bad = split_off_lists(frame, columns, several)
        assert rows is frame
        assert (lines, bad) == (None, None)


@pytest.mark.parametrize("value", [[1, 2], [], [{"a": 1}]])
@pytest.mark.parametrize("column", ["user", "time", "click", "item", "price", "w", "watch"])
def test_a_list_is_kept_aside_with_its_line(tmp_path, column, value):
    rows = 200
    log = pd.DataFrame(
        {
            "user": [f"u{i % 5}" for i in range(rows)],
            "time": 1_600_000_000 + np.arange(rows) * 60,
            "item": [f"i{i % 7}" for i in range(rows)],
            "price": np.arange(rows) * 1.5,
            "click": np.arange(rows) // 5 % 2,
            "watch": np.arange(rows) % 9 * 1.0,
            "w": np.ones(rows),
        }
    )
    label = {"click": "click", kd.Label("watch", loss="huber"): "watch"}
    words = {"user": "user", "time": "time", "target": ["item", "price"], "weight": "w", "dim": 2}
    expected = prepare_impressions(log.drop(index=3), label=label, **words)
    changed = log.assign(**{column: log[column].astype(object)})
    changed.at[3, column] = value
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in changed.to_dict("records")))
    pieces = [changed.iloc[:100], changed.iloc[100:]]
    for source, line, where in ((changed, 3, "rows"), (path, 4, "lines"), (pieces, 3, "rows")):
        data = prepare_impressions(source, label=label, **words)
        assert data.spec == expected.spec
        found, wanted = (each.parts["train"].arrays() for each in (data, expected))
        for each in (found, wanted):
            each.pop("line")
        check_arrays(found, wanted)
        assert data.bad_rows["line"].tolist() == [line]
        reason = f"{column!r} is a list, unlike in most {where}"
        (counts,) = data.report["rows_aside"].values()
        assert list(data.report["rows_aside"]) == [reason]
        assert (counts["rows"], counts["first_line"]) == (1, line)
