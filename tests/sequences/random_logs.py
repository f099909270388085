"""Random logs that are appended to a folder of prepared data and to a `WholeLog`."""

import pathlib

import numpy as np

from keras_din.data import LastFraction, append_to_folder, prepare_impressions
from tests.data.prepare.shared import DAY, a_day
from tests.sequences.prepared_rows import FEATURES, rows_of
from tests.sequences.whole_log import Entries, WholeLog

EVICTIONS = (
    {},
    {"max_age": 1.5},
    {"max_age": 2.5, "max_values": 9},
    {"max_values": 7},
    {"max_values": 8, "evict": "least_frequent"},
)


class Logs:
    """A folder of prepared data, and what must be in it.

    Args:
        seed: The seed of all logs and choices.
        folder: The new folder.
    """

    def __init__(self, seed: int, folder: pathlib.Path):
        self.rng, self.folder, self.day = np.random.default_rng(seed), folder, 20
        min_count, max_length = int(self.rng.integers(1, 4)), int(self.rng.integers(2, 6))
        first = self._frame(self.day)
        self.frames = [first]
        data = prepare_impressions(
            first,
            user="user",
            time="time",
            label="click",
            target=["item", "category"],
            context=["tags"],
            bags=["tags"],
            dim=2,
            min_count=min_count,
            max_length=max_length,
            split=LastFraction(0.0, 0.1),
        )
        data.save(folder)
        entries = {n: Entries(data.spec.features[n].vocabulary, min_count) for n in FEATURES}
        self.whole = WholeLog(entries, max_length)
        self.whole.start(rows_of(first))

    def _frame(self, day: int):
        """A day of 20 to 50 rows. 3 to 6 items are born since the day before."""
        rng = self.rng
        rows, born = int(rng.integers(20, 50)), int(rng.integers(3, 7))
        frame = a_day(day, rows=rows, users=6, items=2 + born, seed=int(rng.integers(10**6)))
        frame["item"] += day  # Items of the days before come back now and then.
        old = rng.random(rows) < 0.1
        frame.loc[old, "item"] -= rng.integers(1, 12, size=int(old.sum()))
        frame["category"] = [f"c{item // 3}" for item in frame["item"]]
        frame["tags"] = [
            "|".join(f"t{tag}" for tag in rng.integers(day, day + 4, size=rng.integers(1, 4)))
            for _ in range(rows)
        ]
        return frame

    def append(self) -> None:
        """Appends the next day or, now and then, rows of days before."""
        late = self.rng.random() < 0.25
        self.day += not late
        frame = self._frame(self.day)
        if late:
            frame["time"] -= int(self.rng.integers(1, 3)) * DAY // 2
        options = EVICTIONS[self.rng.integers(len(EVICTIONS))]
        append_to_folder(self.folder, frame, **options)
        self.whole.append(rows_of(frame), **options)
        self.frames.append(frame)
