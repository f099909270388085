"""Checks that no history reaches its sample's own time."""

import numpy as np


def check_no_leakage(data) -> int:
    """Checks that all behaviors are strictly earlier than their sample. Returns their number."""
    behaviors = 0
    for samples in data.parts.values():
        for name, (start, end) in samples.history.items():
            log = data.behaviors[name]
            some = end > start
            assert (log.time[end[some] - 1] < samples.time[some]).all()
            # Behaviors are sorted, so the last one is the latest. A history has one user.
            owner = np.searchsorted(log.offsets, start[some], side="right") - 1
            np.testing.assert_array_equal(owner, samples.group[some])
            assert (end[some] <= log.offsets[owner + 1]).all()
            behaviors += int((end - start).sum())
    return behaviors
