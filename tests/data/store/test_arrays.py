"""Arrays on disk: written in pieces or at once, and checked in chunks of rows."""

import numpy as np
import pytest

from keras_din.data.store import arrays


def test_arrays_written_in_pieces_equal_the_whole(tmp_path):
    whole = {
        "a": np.arange(1_000_003, dtype=np.int32),
        "deep/b": np.linspace(0, 1, 7, dtype=np.float32),
        "deep/none": np.zeros(0, np.int64),
    }
    cuts = [(0, 0), (0, 5), (5, 6), (6, 1_000_003)]
    arrays.save_arrays(tmp_path / "whole", whole)
    pieces = ({name: values[i:j] for name, values in whole.items()} for i, j in cuts)
    arrays.save_pieces(tmp_path / "pieces", pieces)
    for name in whole:
        first, second = (tmp_path / kind / f"{name}.npy" for kind in ("whole", "pieces"))
        assert first.read_bytes() == second.read_bytes()
    assert list(arrays.load_arrays(tmp_path / "pieces")) == sorted(whole)


def test_pieces_that_are_not_contiguous(tmp_path):
    arrays.save_pieces(tmp_path, [{"a": np.arange(6)[::2]}, {"a": np.arange(3)}])
    np.testing.assert_array_equal(arrays.load_arrays(tmp_path)["a"], [0, 2, 4, 0, 1, 2])


def test_pieces_keep_their_type_and_replace_no_file(tmp_path):
    pieces = [{"a": np.zeros(2, np.int32)}, {"a": np.zeros(2, np.int64)}]
    with pytest.raises(
        ValueError, match=r"All pieces of 'a' must have one dtype, int32\. Received: int64\."
    ):
        arrays.save_pieces(tmp_path, pieces)
    with pytest.raises(FileExistsError):
        arrays.save_pieces(tmp_path, pieces)


@pytest.fixture
def three_at_once(monkeypatch):
    monkeypatch.setattr(arrays, "_ROWS_AT_ONCE", 3)


@pytest.mark.usefixtures("three_at_once")
def test_first_where():
    for rows in range(8):
        assert arrays.first_where(rows, lambda part: np.zeros(part.stop - part.start, bool)) is None
        for row in range(rows):
            values = np.arange(rows) >= row
            assert arrays.first_where(rows, lambda part, v=values: v[part]) == row


@pytest.mark.usefixtures("three_at_once")
def test_first_pair_where_matches_a_slow_loop():
    rng = np.random.default_rng(0)
    for _ in range(300):
        values = rng.integers(0, 12, rng.integers(0, 11))
        inner = np.sort(rng.integers(0, len(values) + 1, rng.integers(0, 4)))
        starts = np.concatenate([[0], inner, [len(values)]])
        expected = [
            i for i in range(1, len(values)) if values[i - 1] > values[i] and i not in starts
        ]
        found = arrays.first_pair_where(np.greater, values, starts)
        assert found == (expected[0] if expected else None)
