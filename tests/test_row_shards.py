"""Rows of a table in several shards: their places, splitting and joining."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_din.row_shards import RowShards


def test_places_of_rows():
    shards = RowShards(7, 3)
    assert [shards.size(i) for i in range(3)] == [3, 2, 2]
    assert [shards.own(np.arange(7), i).tolist() for i in range(3)] == [[0, 3, 6], [1, 4], [2, 5]]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_shards_of_any_number_become_shards_of_another(data):
    rows = data.draw(st.integers(1, 40))
    shards, other = (RowShards(rows, data.draw(st.integers(1, rows))) for _ in range(2))
    table = np.arange(2 * rows).reshape(rows, 2)
    parts = [other.own(table, i) for i in range(other.count)]
    for shard in range(shards.count):
        expected = [table[r] for r in range(rows) if r % shards.count == shard]
        found = shards.from_other(parts, shard)
        np.testing.assert_array_equal(found, expected)
        assert len(found) == shards.size(shard)
    np.testing.assert_array_equal(other.join(parts), table)
