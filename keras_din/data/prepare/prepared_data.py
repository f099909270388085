"""A prepared data set: the spec, the users' behaviors, and train, valid and test samples."""

import csv
import dataclasses
import json
import os
import pathlib

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

PARTS = ("train", "valid", "test")
HEADER = "prepared.json"
_BAD_ROWS = "bad_rows.csv"
_USERS = "users.parquet"
_FORMAT = 1
_MICROSECONDS_A_DAY = 86_400_000_000


def save_header(folder: pathlib.Path, spec: FeatureSpec, parts: list, report: dict) -> None:
    """Writes what `PreparedData.load` reads beside logs and samples."""
    (folder / "spec.json").write_text(spec.to_json(), encoding="utf-8")
    header = {"format": _FORMAT, "parts": parts, "report": report}
    text = json.dumps(header, indent=1, ensure_ascii=False)
    (folder / HEADER).write_text(text, encoding="utf-8")


def read_report(folder) -> dict:
    """The report of prepared data in a folder, or nothing where there is none."""
    file = local_path("folder", folder) / HEADER
    return json.loads(file.read_text(encoding="utf-8"))["report"] if file.is_file() else {}


def cut_into_parts(samples: Samples, part) -> dict:
    """Name of the part -> its samples, where it has any; `part` `(rows,)` is as of `part_of`."""
    return {name: samples[part == i] for i, name in enumerate(PARTS) if (part == i).any()}


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class PreparedData:
    """What every door of `keras_din.data` gives.

    Args:
        spec: The features.
        behaviors: Sequence name -> `BehaviorLog`.
        parts: `"train"`, `"valid"`, `"test"` -> `Samples`; a part may be absent.
        report: What was read, kept, left aside and counted. Plain values that JSON takes.
        bad_rows: `DataFrame` of the rows kept aside, with the columns `line` and `reason` before
            their own, or `None`.
        users: The users' values in the log by their numbers, an `Index`, or `None`. Of data that
            was loaded the path of a Parquet file; `user_values` is the `Index` of either.

    Raises:
        ValueError: When `behaviors` or `parts` have other names, or JSON does not take `report`.
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
    ):
        """The `tf.data.Dataset` of a part, for `fit`, `evaluate` and `predict`.

        All arguments are those of `keras_din.data.dataset`. The dataset has one attribute more,
        `negative_rate`: that of `downsample_negatives` for the part `"train"`, 1 for the others, by
        which `keras_din.evaluate` compares with labels of fewer negatives.
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
        """How often each index occurs in a part: `feature_counts` of `keras_din.optimizers`.

        Returns:
            Name of each `Categorical` and `Bag` -> int64 `(vocabulary_size,)`, as of
            `keras_din.data.store.feature_counts.count_features`.
        """
        one_of("part", part, tuple(self.parts))
        return count_features(self.spec, self.behaviors, self.parts[part])

    def downsample_negatives(self, negative_rate: float, seed: int = 0) -> "PreparedData":
        """The same data with fewer negatives to train on, for logs with few clicks.

        Each row of the part `"train"` whose label is 0 stays with probability `negative_rate`,
        drawn by itself: a request keeps its positives and some of its other candidates. A model
        then learns odds that are `1 / negative_rate` times as high as those of the other parts,
        which stay whole. `keras_din.losses.BinaryCrossentropy(negative_rate=data.negative_rate)`
        has the model remember it, and `keras_din.export` undoes it; so does
        `keras_din.metrics.recalibrate`.

        Samples of several labels are refused. A row without a purchase stays for its click, so
        that the odds of a purchase would rise by more in some rows than in others, and no single
        rate could undo it. Weigh the positives of a label instead, by
        `keras_din.losses.BinaryCrossentropy(positive_weight=...)`.

        Args:
            negative_rate: A number in (0, 1].
            seed: Seed of the draw.

        Returns:
            A `PreparedData` whose report has the `negative_rate`: of data that was thinned before,
            the product of both.

        Raises:
            ValueError: When `negative_rate` is not as said here, there is no part `"train"`, or
                there are several labels.
        """
        negative_rate = rate("negative_rate", negative_rate)
        train = self.parts[one_of("part", "train", tuple(self.parts))]
        if len(train.labels) > 1:
            raise ValueError(
                "`downsample_negatives` needs samples with one label: of several, no single rate "
                "could undo what it does to each. Weigh positives by `keras_din.losses."
                "BinaryCrossentropy(positive_weight=...)`. "
                f"Received: labels {list(train.labels)}."
            )
        draws = np.random.default_rng(seed).random(len(train), dtype="float32")
        parts = self.parts | {"train": train[(train.label == 1) | (draws < negative_rate)]}
        report = self.report | {
            "negative_rate": self.report.get("negative_rate", 1.0) * negative_rate
        }
        return dataclasses.replace(self, parts=parts, report=report)

    @property
    def negative_rate(self) -> float:
        """The fraction of the training negatives that `downsample_negatives` kept, 1 without it."""
        return float(self.report.get("negative_rate", 1.0))

    @property
    def user_values(self) -> pd.Index | None:
        """The users' values in the log by their numbers, named as their column, or `None`.

        `None` of data that a version of this library prepared that did not keep them, and of
        loaders whose users have no values.
        """
        if not isinstance(self.users, pathlib.Path):
            return self.users
        values = pd.read_parquet(self.users)
        return pd.Index(values.iloc[:, 0], name=values.columns[0])

    def weight_by_recency(self, half_life: float) -> "PreparedData":
        """The same data whose older rows count less in training, for tastes that change.

        A row of the part `"train"` weighs `2 ** (-age / half_life)`, where `age` is how many days
        before the last row of that part it happened; a weight that it had is multiplied. `fit`
        takes it as `sample_weight`. The other parts stay as they are.

        Args:
            half_life: Days after which a row counts half, a positive number.

        Returns:
            A `PreparedData` whose report has the `half_life`.

        Raises:
            ValueError: When `half_life` is not as said here, or there is no part `"train"` with
                times.
        """
        half_life = positive_number("half_life", half_life)
        train = self.parts[one_of("part", "train", tuple(self.parts))]
        if train.time is None:
            raise ValueError("The part 'train' must have times to be weighted by. Received: none.")
        if self.report.get("time_unit") == ORDER:
            raise ValueError(
                "`weight_by_recency` needs times, since it counts days. Received: data whose rows "
                "have an order and no times."
            )
        age = (train.time.max() - train.time) / _MICROSECONDS_A_DAY
        weight = np.exp2(-age / half_life)
        if train.weight is not None:
            weight *= train.weight
        parts = self.parts | {"train": dataclasses.replace(train, weight=weight)}
        before = self.report.get("half_life", np.inf)
        report = self.report | {"half_life": 1 / (1 / before + 1 / half_life)}
        return dataclasses.replace(self, parts=parts, report=report)

    def save(self, folder: str | os.PathLike, *, overwrite: bool = False) -> None:
        """Writes everything to a folder, all or nothing.

        It is written beside the folder and renamed when complete, so that an interrupted or
        failed save leaves what was there before.

        Args:
            folder: A path where nothing is, or an empty folder.
            overwrite: Whether prepared data that is there may be replaced.

        Raises:
            FileExistsError: When something is there, and `overwrite` is not set or it is
                something else than prepared data.
        """
        with atomic_folder(folder, HEADER, overwrite) as partial:
            self._write(partial)

    def _write(self, folder: pathlib.Path) -> None:
        for name, log in self.behaviors.items():
            log.save(folder / "behaviors" / name)
        for part, samples in self.parts.items():
            samples.save(folder / "parts" / part)
        if self.bad_rows is not None and len(self.bad_rows):
            # Quoted, or a carriage return in a field would end the row.
            self.bad_rows.to_csv(folder / _BAD_ROWS, index=False, quoting=csv.QUOTE_ALL)
        users = self.user_values
        if users is not None:
            name = "user" if users.name is None else str(users.name)
            pd.DataFrame({name: users}).to_parquet(folder / _USERS, index=False)
        save_header(folder, self.spec, list(self.parts), self.report)

    @classmethod
    def load(cls, folder: str | os.PathLike) -> "PreparedData":
        """The prepared data that `save` wrote, here or in version 0.1; its arrays memory-mapped."""
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
        # Version 0.1 spelled the name otherwise.
        behaviors = "behaviors" if (folder / "behaviors").is_dir() else "behaviours"
        bad_rows = None
        if (folder / _BAD_ROWS).is_file():
            # Text as it stood in the log; only the line is a number for sure.
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
