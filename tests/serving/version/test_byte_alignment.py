"""`align` finds every byte of a file that an older version has, at any position."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_din.serving.version import byte_alignment
from keras_din.serving.version.byte_alignment import align


def random_bytes(size, seed=0):
    return np.random.default_rng(seed).integers(256, size=size, dtype=np.uint8)


def from_base(base, new):
    """Returns the bytes of `new` that the segments take from `base`, 0 for the others, checked."""
    segments = align(base, new)
    assert segments.dtype == np.int64
    assert (segments[:, 0] > 0).all()
    assert segments[:, 0].sum() == len(new)
    found, start = np.zeros_like(new), 0
    for length, at in segments:
        assert -1 <= at <= len(base) - length or at == -1
        if at >= 0:
            found[start : start + length] = base[at : at + length]
        start += length
    return found, segments


def test_changed_rows_stay_in_one_segment():
    base = random_bytes(64 * 2000).reshape(2000, 64)
    new = base.copy()
    rows = 1 + np.random.default_rng(1).choice(1998, 200, replace=False)
    new[rows] = random_bytes((200, 64), seed=2)
    found, segments = from_base(base.ravel(), new.ravel())
    assert segments.tolist() == [[64 * 2000, 0]]
    assert np.flatnonzero((found.reshape(2000, 64) != new).any(axis=1)).tolist() == sorted(rows)


@pytest.mark.parametrize("size", [1, 3, 64, 5000])
@pytest.mark.parametrize("at", [0, 1, 40_001, 99_999, 100_000])
def test_added_and_removed_bytes(at, size):
    base, more = random_bytes(100_000), random_bytes(size, seed=1)
    longer = np.concatenate([base[:at], more, base[at:]])
    found, segments = from_base(base, longer)
    # Of the random bytes some may equal those of the base by chance. A single byte before or after
    # the others is not found.
    assert len(segments) <= 3
    assert size * 0.9 - 2 <= (found != longer).sum() <= size + 1
    found, segments = from_base(longer, base)
    assert (found != base).sum() <= 1
    assert len(segments) <= 2


def test_lines_that_were_removed_and_appended():
    lines = [f"item {i * 7919 % 100_003}\n" for i in range(20_000)]
    removed = set(np.random.default_rng(0).choice(20_000, 50, replace=False).tolist())
    kept = [line for i, line in enumerate(lines) if i not in removed]
    base, new = (
        np.frombuffer("".join(each).encode(), np.uint8)
        for each in (lines, [*kept, "something else\n"])
    )
    found, segments = from_base(base, new)
    # Between lines that are next to each other there is no anchor.
    assert (found != new).sum() <= 100
    assert len(segments) <= 2 * len(removed)


def test_moved_parts():
    base = random_bytes(30_000)
    new = np.concatenate([base[20_000:], base[:10_000], base[10_000:20_000]])
    found, segments = from_base(base, new)
    assert np.array_equal(found, new)
    assert len(segments) == 2


def test_long_gaps_are_not_compared_byte_by_byte(monkeypatch):
    base, more = random_bytes(100_000), random_bytes(50_000, seed=1)
    new = np.concatenate([base[:50_000], more, base[50_000:]])
    monkeypatch.setattr(byte_alignment, "_LONGEST_GAP", 1000)
    monkeypatch.setattr(byte_alignment, "_PIECE", 1024)
    found, segments = from_base(base, new)
    assert np.array_equal(found[:50_000], base[:50_000])
    assert np.array_equal(found[100_000:], base[50_000:])
    assert len(segments) == 3


@pytest.mark.parametrize("value", [0, 1, 255])
def test_constant_bytes(value):
    base, new = np.full(100_000, value, np.uint8), np.full(120_000, value, np.uint8)
    from_base(base, new)
    around = [random_bytes(1000, seed=seed) for seed in (1, 2)]
    base, new = (np.concatenate([around[0], each, around[1]]) for each in (base, new))
    found, _ = from_base(base, new)
    assert np.array_equal(found[:101_000], new[:101_000])
    assert np.array_equal(found[-101_000:], new[-101_000:])


PARTS = st.lists(st.binary(max_size=120), max_size=8)


@given(PARTS, st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=40)), max_size=8))
def test_any_files(parts, edits):
    """The new file has parts of the old one in any order, and others."""
    base = np.frombuffer(b"".join(parts), np.uint8)
    pieces = [parts[i] if i < len(parts) else other for i, other in edits]
    from_base(base, np.frombuffer(b"".join(pieces), np.uint8))
