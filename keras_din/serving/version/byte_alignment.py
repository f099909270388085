"""Where the bytes of a file are in an older version of it."""

import numpy as np

_WINDOW = 32  # Bytes of an anchor.
_ANCHORS = 58  # Of 64 bits of a hash, as many are not compared: one of 2 ** 6 positions is chosen.
_PIECE = 1 << 18  # Bytes that are processed at a time. A multiple of 8.
_LONGEST_GAP = 1 << 24  # Bytes around a border that are compared one by one.
_MULTIPLIERS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93)


def align(base, new) -> np.ndarray:
    """Divides a file into segments, each with its place in an older version of the file.

    Inside of a segment single bytes may differ, such as the rows of a table that changed. Where
    rows were added, everything after them is at another position, so another segment starts.

    Anchors are found in both files: windows of 32 bytes that occur once, chosen by their content
    and so at any position. Between two anchors that moved differently, the border is where most
    bytes are equal.

    Args:
        base: uint8 array, the bytes of the older version.
        new: uint8 array, the bytes of the file.

    Returns:
        int64 array `(segments, 2)`: the length of each segment, and its first byte in `base`, or
        -1 for a segment that `base` does not have. The lengths sum to `len(new)`.
    """
    new_hashes, new_at = _anchors(new)
    base_hashes, base_at = _anchors(base)
    _, i, j = np.intersect1d(new_hashes, base_hashes, assume_unique=True, return_indices=True)
    order = np.argsort(new_at[i])
    at, shift = new_at[i][order], (new_at[i] - base_at[j])[order]
    starts = np.flatnonzero(np.diff(shift, prepend=np.nan))
    ends = np.flatnonzero(np.diff(shift, append=np.nan))
    runs = list(zip(at[starts], at[ends] + _WINDOW, shift[starts], strict=True))
    segments = []
    start, end, before = 0, 0, None
    for run_start, run_end, shift_after in [*runs, (len(new), len(new), None)]:
        run_start = max(run_start, end)
        first, second = _borders(base, new, end, run_start, before, shift_after)
        if before is not None:
            segments.append((first - start, start - before))
        segments.append((second - first, -1))
        start, end, before = second, max(run_end, run_start), shift_after
    found = np.array(segments, np.int64).reshape(-1, 2)
    return found[found[:, 0] > 0]


def _anchors(data) -> tuple:
    """Returns the hashes of windows that occur once, uint64, and their positions, int64."""
    hashes, positions = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    for start in range(0, len(data), _PIECE):
        piece = np.asarray(data[start : start + _PIECE + _WINDOW - 1])
        for phase in range(8):
            count = (len(piece) - phase) // 8
            words = piece[phase : phase + 8 * count].copy().view("<u8")
            windows = count - len(_MULTIPLIERS) + 1
            if windows <= 0:
                continue
            of_window = np.full(windows, _MULTIPLIERS[-1], np.uint64)  # Zeros are no anchors.
            for i, multiplier in enumerate(_MULTIPLIERS):
                of_window += words[i : i + windows] * np.uint64(multiplier)
            of_window ^= of_window >> np.uint64(32)
            of_window *= np.uint64(_MULTIPLIERS[0])
            chosen = np.flatnonzero(of_window >> np.uint64(_ANCHORS) == 0)
            # The same window many times, such as the rows of a constant, costs no memory.
            once, first = _once(of_window[chosen])
            hashes.append(once)
            positions.append(start + phase + 8 * chosen[first])
    once, first = _once(np.concatenate(hashes))
    return once, np.concatenate(positions)[first]


def _once(values) -> tuple:
    """Returns the values that occur once, and their positions."""
    distinct, first, counts = np.unique(values, return_index=True, return_counts=True)
    return distinct[counts == 1], first[counts == 1]


def _borders(base, new, start: int, end: int, before, after) -> tuple[int, int]:
    """Returns where the segment before a gap ends, and where the one after it starts.

    Args:
        base: The older version.
        new: The file.
        start: First byte of the gap in `new`.
        end: First byte after the gap.
        before: Position in `new` minus position in `base` before the gap, or `None`.
        after: The same after the gap.
    """
    if end - start > _LONGEST_GAP:
        first, _ = _borders(base, new, start, start + _LONGEST_GAP // 2, before, None)
        _, second = _borders(base, new, end - _LONGEST_GAP // 2, end, None, after)
        return first, second
    # `gained[i]`: the bytes before i that are equal minus those that differ, and vice versa.
    gained = np.concatenate([[0], np.cumsum(_equal(base, new, start, end, before))])
    left = _equal(base, new, start, end, after)
    left = np.concatenate([np.cumsum(left[::-1])[::-1], [0]])
    second = int(np.argmax(np.maximum.accumulate(gained) + left))
    first = int(np.argmax(gained[: second + 1]))
    return start + first, start + second


def _equal(base, new, start: int, end: int, shift) -> np.ndarray:
    """Returns 1 for each byte of `new[start:end]` that is equal in `base`, -1 for the others."""
    result = np.full(end - start, -1, np.int64)
    if shift is not None:
        low, high = max(start, shift), min(end, len(base) + shift)
        if low < high:
            same = new[low:high] == base[low - shift : high - shift]
            result[low - start : high - start] = np.where(same, 1, -1)
    return result
