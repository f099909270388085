"""A prepared data set: the spec, the users' behaviors, and train, valid and test samples."""

import csv
import dataclasses
import json
import os
import pathlib
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from keras_din.atomic_write import atomic_folder
from keras_din.checks import json_values, local_path, one_of, positive_number, rate
from keras_din.data.pipeline import batches as pipeline
from keras_din.data.reading.times import ORDER
from keras_din.data.store.behavior_log import BehaviorLog
from keras_din.data.store.feature_counts import count_features
from keras_din.data.store.samples import Samples
from keras_din.features import FeatureSpec

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["PreparedData"]

PARTS = ("train", "valid", "test")
HEADER = "prepared.json"
_BAD_ROWS = "bad_rows.csv"
_USERS = "users.parquet"
_FORMAT = 1
_MICROSECONDS_PER_DAY = 86_400_000_000


def save_header(folder: pathlib.Path, spec: FeatureSpec, parts: list, report: dict) -> None:
    """Writes the spec and the header, which `PreparedData.load` reads."""
    (folder / "spec.json").write_text(spec.to_json(), encoding="utf-8")
    header = {"format": _FORMAT, "parts": parts, "report": report}
    text = json.dumps(header, indent=1, ensure_ascii=False)
    (folder / HEADER).write_text(text, encoding="utf-8")


def read_report(folder) -> dict:
    """The report of prepared data in a folder; empty if there is none."""
    file = local_path("folder", folder) / HEADER
    return json.loads(file.read_text(encoding="utf-8"))["report"] if file.is_file() else {}


def cut_into_parts(samples: Samples, part) -> dict:
    """Name of each part with rows -> its samples. `part` is `(rows,)`, see `assign_parts`."""
    return {name: samples[part == i] for i, name in enumerate(PARTS) if (part == i).any()}


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class PreparedData:
    """A prepared data set, the result of all loaders and `prepare_*` functions.

    Args:
        spec: The features.
        behaviors: Sequence name -> `BehaviorLog`.
        parts: `"train"`, `"valid"`, `"test"` -> `Samples`; a part may be absent.
        report: Counts of what was read, kept and kept aside, as values that JSON supports.
        bad_rows: `DataFrame` of the rows kept aside, with the columns `line` and `reason` in
            front, or `None`.
        users: `Index` of the users' raw values by number, or `None`. For loaded data, the path of
            a Parquet file. `user_values` is the `Index` in both cases.

    Raises:
        ValueError: If `behaviors` or `parts` have other names, or JSON does not support `report`.

    Example:

    ```python
    kd.data.synthetic_log(users=20).save("data")
    data = kd.data.PreparedData.load("data")
    batches = data.dataset("train", batch_size=64, shuffle=True)
    ```
    """

    spec: FeatureSpec
    behaviors: dict
    parts: dict
    report: dict = dataclasses.field(default_factory=dict)
    bad_rows: pd.DataFrame | None = None
    users: pd.Index | pathlib.Path | None = None

    def __post_init__(self):
        names = [sequence.name for sequence in self.spec.sequences]
        if sorted(self.behaviors) != sorted(names):
            raise ValueError(
                f"`behaviors` must hold a log for each sequence: {names}. "
                f"Received: {list(self.behaviors)}."
            )
        if not self.parts or set(self.parts) - set(PARTS):
            raise ValueError(
                f"`parts` must be some of {list(PARTS)}. Received: {list(self.parts)}."
            )
        object.__setattr__(self, "report", json_values("report", self.report))

    def dataset(
        self,
        part: str,
        batch_size: int = 1024,
        *,
        shuffle: bool = False,
        seed: int = 0,
        by_request: bool = False,
        first_epoch: int = 0,
    ) -> "tf.data.Dataset":
        """Creates the `tf.data.Dataset` of a part, for `fit`, `evaluate` and `predict`.

        All arguments are those of `keras_din.data.dataset`. The dataset has one more attribute,
        `negative_rate`: that of `downsample_negatives` for the part `"train"`, 1 for the others.
        `keras_din.evaluate` uses it to compare predictions with labels of fewer negatives.
        """
        one_of("part", part, tuple(self.parts))
        result = pipeline.dataset(
            self.spec,
            self.behaviors,
            self.parts[part],
            batch_size,
            shuffle=shuffle,
            seed=seed,
            by_request=by_request,
            first_epoch=first_epoch,
        )
        result.negative_rate = self.negative_rate if part == "train" else 1.0
        return result

    def feature_counts(self, part: str = "train") -> dict:
        """Counts how often each index occurs in a part, for the optimizers' `feature_counts`.

        Returns:
            Name of each table -> int64 `(vocabulary_size,)`, see
            `keras_din.data.store.feature_counts.count_features`.
        """
        one_of("part", part, tuple(self.parts))
        return count_features(self.spec, self.behaviors, self.parts[part])

    def downsample_negatives(self, negative_rate: float, seed: int = 0) -> "PreparedData":
        """Returns the data with fewer training negatives, for logs with few clicks.

        Each row of the part `"train"` with label 0 is kept with probability `negative_rate`,
        independently of the others. A request keeps its positives and some of its negatives. A
        model then learns odds that are `1 / negative_rate` times those of the other parts, which
        stay complete. `keras_din.losses.BinaryCrossentropy(negative_rate=data.negative_rate)`
        stores the rate in the model, and `keras_din.export` undoes it. So does
        `keras_din.metrics.recalibrate`.

        Samples with several labels are an error. A row without a purchase would be kept for its
        click, so the odds of a purchase would rise by a different factor in different rows, which
        no single rate could undo. Weight the positives of a label instead, with
        `keras_din.losses.BinaryCrossentropy(positive_weight=...)`.

        Args:
            negative_rate: A number in (0, 1].
            seed: Seed of the draw.

        Returns:
            A `PreparedData` whose report has the `negative_rate`. If the data was downsampled
            before, it is the product of both rates.

        Raises:
            ValueError: If `negative_rate` is not in (0, 1], there is no part `"train"`, or there
                are several labels.
        """
        negative_rate = rate("negative_rate", negative_rate)
        train = self.parts[one_of("part", "train", tuple(self.parts))]
        if len(self.spec.labels) > 1:
            raise ValueError(
                "`downsample_negatives` requires a spec with one label: with several, no single "
                "rate could undo its effect on each. Weight positives with `keras_din.losses."
                "BinaryCrossentropy(positive_weight=...)`. "
                f"Received: labels {[label.name for label in self.spec.labels]}."
            )
        positive = train.labels[self.spec.labels[0].name] == 1
        draws = np.random.default_rng(seed).random(len(train), dtype="float32")
        parts = self.parts | {"train": train[positive | (draws < negative_rate)]}
        report = self.report | {
            "negative_rate": self.report.get("negative_rate", 1.0) * negative_rate
        }
        return dataclasses.replace(self, parts=parts, report=report)

    @property
    def negative_rate(self) -> float:
        """The fraction of training negatives that `downsample_negatives` kept, 1 without it."""
        return float(self.report.get("negative_rate", 1.0))

    @property
    def user_values(self) -> pd.Index | None:
        """The users' raw values by number, named as their column, or `None`.

        It is `None` for data of an older version that did not store them, and for loaders whose
        users have no raw values.
        """
        if not isinstance(self.users, pathlib.Path):
            return self.users
        values = pd.read_parquet(self.users)
        return pd.Index(values.iloc[:, 0], name=values.columns[0])

    def weight_by_recency(self, half_life: float) -> "PreparedData":
        """Returns the data with smaller weights for older training rows, for changing interests.

        A row of the part `"train"` has the weight `2 ** (-age / half_life)`, where `age` is its
        distance in days from the last row of that part. An existing weight is multiplied by it.
        `fit` uses it as `sample_weight`. The other parts stay unchanged.

        Args:
            half_life: Days after which the weight of a row is half, a positive number.

        Returns:
            A `PreparedData` whose report has the `half_life`.

        Raises:
            ValueError: If `half_life` is not positive, or there is no part `"train"` with times.
        """
        half_life = positive_number("half_life", half_life)
        train = self.parts[one_of("part", "train", tuple(self.parts))]
        if train.time is None:
            raise ValueError("The part 'train' must have times to weight its rows. Received: none.")
        if self.report.get("time_unit") == ORDER:
            raise ValueError(
                "`weight_by_recency` requires times, since it counts days. Received: data whose "
                "rows have an order instead of times."
            )
        age = (train.time.max() - train.time) / _MICROSECONDS_PER_DAY
        weight = np.exp2(-age / half_life)
        if train.weight is not None:
            weight *= train.weight
        parts = self.parts | {"train": dataclasses.replace(train, weight=weight)}
        before = self.report.get("half_life", np.inf)
        report = self.report | {"half_life": 1 / (1 / before + 1 / half_life)}
        return dataclasses.replace(self, parts=parts, report=report)

    def save(self, folder: str | os.PathLike, *, overwrite: bool = False) -> None:
        """Writes the data to a folder, completely or not at all.

        The files are written to a temporary folder next to it, which is renamed when complete. So
        an interrupted or failed save leaves the previous content.

        Args:
            folder: A path that does not exist, or an empty folder.
            overwrite: Whether existing prepared data may be replaced.

        Raises:
            FileExistsError: If the folder is not empty, and `overwrite` is not set or the folder
                is not prepared data.
        """
        with atomic_folder(folder, HEADER, overwrite) as partial:
            self._write(partial)

    def _write(self, folder: pathlib.Path) -> None:
        for name, log in self.behaviors.items():
            log.save(folder / "behaviors" / name)
        for part, samples in self.parts.items():
            samples.save(folder / "parts" / part)
        if self.bad_rows is not None and len(self.bad_rows):
            # Quotes protect fields with a carriage return.
            self.bad_rows.to_csv(folder / _BAD_ROWS, index=False, quoting=csv.QUOTE_ALL)
        users = self.user_values
        if users is not None:
            name = "user" if users.name is None else str(users.name)
            pd.DataFrame({name: users}).to_parquet(folder / _USERS, index=False)
        save_header(folder, self.spec, list(self.parts), self.report)

    @classmethod
    def load(cls, folder: str | os.PathLike) -> "PreparedData":
        """Loads what `save` wrote, also that of version 0.1, with memory-mapped arrays."""
        folder = local_path("folder", folder)
        if not (folder / HEADER).is_file():
            raise FileNotFoundError(
                f"`folder` must be one that `PreparedData.save` wrote. Received: {folder}."
            )
        header = json.loads((folder / HEADER).read_text(encoding="utf-8"))
        if header.get("format") != _FORMAT:
            raise ValueError(
                f"Prepared data must be of format {_FORMAT}. "
                f"Received: format={header.get('format')!r} in {folder}."
            )
        spec = FeatureSpec.from_json((folder / "spec.json").read_text(encoding="utf-8"))
        # Version 0.1 used the British spelling.
        behaviors = "behaviors" if (folder / "behaviors").is_dir() else "behaviours"
        bad_rows = None
        if (folder / _BAD_ROWS).is_file():
            # The text of the log; only the line is always a number.
            bad_rows = pd.read_csv(folder / _BAD_ROWS, dtype=str, keep_default_na=False)
            bad_rows["line"] = bad_rows["line"].astype(int)
        return cls(
            spec,
            {
                sequence.name: BehaviorLog.load(folder / behaviors / sequence.name)
                for sequence in spec.sequences
            },
            {part: Samples.load(folder / "parts" / part) for part in header["parts"]},
            header["report"],
            bad_rows,
            folder / _USERS if (folder / _USERS).is_file() else None,
        )

    def __repr__(self):
        parts = ", ".join(f"{part}: {len(samples):,}" for part, samples in self.parts.items())
        logs = ", ".join(f"{name}: {len(log):,}" for name, log in self.behaviors.items())
        return f"PreparedData(rows of {{{parts}}}, events of {{{logs}}})"
