"""Random logs that are appended to a folder of prepared data and to a `WholeLog`."""

import pathlib

import numpy as np

from keras_din.data import (
    LastFraction,
    append_to_folder,
    prepare_impressions,
    prepare_interactions,
)
from tests.data.prepare.shared import DAY, a_day
from tests.sequences.prepared_rows import FEATURES, rows_of
from tests.sequences.whole_behaviors import NEGATIVES, WholeBehaviors
from tests.sequences.whole_log import Entries, WholeLog

KINDS = ("impressions", "behaviors")
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
        seed: The seed of all logs and choices. Even seeds have logs of impressions, and odd ones
            logs of behaviors.
        folder: The new folder.
    """

    def __init__(self, seed: int, folder: pathlib.Path):
        self.kind = KINDS[seed % len(KINDS)]
        self.rng, self.folder, self.day = np.random.default_rng(seed), folder, 20
        min_count, max_length = int(self.rng.integers(1, 4)), int(self.rng.integers(2, 6))
        first = self._frame(self.day)
        self.frames = [first]
        options = {
            "user": "user",
            "time": "time",
            "target": ["item", "category"],
            "context": ["tags"],
            "of": ["item", "category"],
            "bags": ["tags"],
            "dim": 2,
            "min_count": min_count,
            "max_length": max_length,
            "split": LastFraction(0.0, 0.1),
        }
        if self.kind == "impressions":
            data = prepare_impressions(first, label="click", **options)
        else:
            # A number that identifies items, also those out of the vocabulary.
            options["target"] = ["item", "category", "number"]
            options |= {"numeric": ["number"], "negatives": NEGATIVES}
            data = prepare_interactions(first, **options)
        data.save(folder)
        entries = {n: Entries(data.spec.features[n].vocabulary, min_count) for n in FEATURES}
        whole = WholeLog if self.kind == "impressions" else WholeBehaviors
        self.whole = whole(entries, max_length)
        self.whole.start(rows_of(first), data)

    def _frame(self, day: int):
        """A day of 20 to 50 rows. 3 to 6 items are born since the day before."""
        rng = self.rng
        rows, born = int(rng.integers(20, 50)), int(rng.integers(3, 7))
        # Users must not have met all items from which negatives are drawn.
        users, others = (6, 2) if self.kind == "impressions" else (9, 22)
        sizes = {"rows": rows, "users": users, "items": others + born}
        frame = a_day(day, **sizes, seed=int(rng.integers(10**6)))
        frame["item"] += day  # Items of the days before come back now and then.
        old = rng.random(rows) < 0.1
        frame.loc[old, "item"] -= rng.integers(1, 12, size=int(old.sum()))
        frame["category"] = [f"c{item // 3}" for item in frame["item"]]
        frame["tags"] = [
            "|".join(f"t{tag}" for tag in rng.integers(day, day + 4, size=rng.integers(1, 4)))
            for _ in range(rows)
        ]
        if self.kind == "behaviors":
            frame = frame.drop(columns="click").assign(number=frame["item"].astype(float))
        return frame

    def append(self) -> None:
        """Appends the next day or, now and then, rows of days before."""
        late = self.rng.random() < 0.25
        self.day += not late
        frame = self._frame(self.day)
        if late:
            frame["time"] -= int(self.rng.integers(1, 3)) * DAY // 2
        options = EVICTIONS[self.rng.integers(len(EVICTIONS))]
        if self.kind == "behaviors" and "max_values" in options:
            options = options | {"max_values": 2 * options["max_values"]}
        data = append_to_folder(self.folder, frame, **options)
        self.whole.append(rows_of(frame), data, **options)
        self.frames.append(frame)
