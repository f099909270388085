"""A prepared data set: the spec, the users' behaviors, and train, valid and test samples."""

import dataclasses
import functools
import json
import os
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from keras_din.atomic_write import atomic_folder
from keras_din.checks import (
    json_values,
    local_path,
    one_of,
    positive_integer,
    positive_number,
    rate,
)
from keras_din.count_text import count_text
from keras_din.data.pipeline import batches as pipeline
from keras_din.data.pipeline.remote_batches import RemoteBatches
from keras_din.data.prepare.append import append_log
from keras_din.data.prepare.count_snapshots import snapshots_of
from keras_din.data.prepare.counts import load_past, save_past
from keras_din.data.prepare.day import (
    load_bad_rows,
    load_users,
    save_bad_rows,
    save_users,
    update_columns,
)
from keras_din.data.prepare.days_folder import (
    DAYS,
    append_day,
    append_lock,
    day_folders,
    load_days,
    save_days,
    save_growth,
)
from keras_din.data.prepare.feature_file import FEATURES, save_entries
from keras_din.data.prepare.item_ages import item_ages
from keras_din.data.prepare.item_catalog import ItemCatalog
from keras_din.data.prepare.item_groups import item_groups
from keras_din.data.prepare.item_keys import has_item_keys, met_items_of_keys
from keras_din.data.prepare.joined_days import join_days, take_rows
from keras_din.data.prepare.log_columns import refuse_order
from keras_din.data.prepare.log_format import LogFormat
from keras_din.data.prepare.met_items import MetItems
from keras_din.data.prepare.recent_behaviors import DayBehaviors
from keras_din.data.prepare.split import PARTS
from keras_din.data.prepare.vocabulary_state import Eviction
from keras_din.data.reading.times import ORDER
from keras_din.data.store.arrays import without_checks_of_values
from keras_din.data.store.behavior_log import BehaviorLog
from keras_din.data.store.feature_counts import count_features
from keras_din.data.store.file_names import BAD_ROWS, check_files, file_names
from keras_din.data.store.samples import Samples
from keras_din.features import FeatureSpec
from keras_din.html_table import html_table
from keras_din.workers import (
    check_has_all_users,
    check_in_scope,
    max_over_workers,
    sum_over_workers,
)

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["PreparedData", "append_to_folder"]

HEADER = "prepared.json"
SHARDS_HEADER = "sharded.json"  # In a folder of shards, each of which is prepared data.
_USERS = "users.parquet"
_FORMAT = 1
_LOG_FORMAT = "log_format.json"
_DAY = 86_400_000_000
# What a report has of changed training rows, and of the worker whose rows they are.
_OF_ROWS = ("negative_rate", "half_life", "worker")


def save_header(folder: pathlib.Path, parts: list, report: dict) -> None:
    """Writes the header, which `PreparedData.load` reads, after all other files."""
    header = {"format": _FORMAT, "parts": parts, "files": file_names(folder, (HEADER, DAYS))}
    header["report"] = report
    text = json.dumps(header, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / HEADER).write_text(text, encoding="utf-8")


def read_report(folder) -> dict:
    """The report of prepared data in a folder; empty if there is none."""
    file = local_path("folder", folder) / HEADER
    return json.loads(file.read_text(encoding="utf-8"))["report"] if file.is_file() else {}


def cut_into_parts(samples: Samples, part) -> dict:
    """Name of each part with rows -> its samples. `part` is `(rows,)`, see `assign_parts`."""
    return {name: samples[part == i] for i, name in enumerate(PARTS) if (part == i).any()}


def _check_saved(folder: str | os.PathLike) -> None:
    """Raises a `FileNotFoundError` unless `PreparedData.save` wrote a folder."""
    folder = local_path("folder", folder)
    if not (folder / HEADER).is_file():
        found = f"{folder}"
        if (folder / SHARDS_HEADER).is_file():
            found += ", which has shards: load them with `kd.data.load_shards`"
        elif not folder.exists():
            found += ", which does not exist"
        raise FileNotFoundError(
            "`folder` must be one that `PreparedData.save` or `keras-din prepare` wrote. "
            f"Received: {found}."
        )


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class PreparedData:
    """A prepared data set, the result of all loaders and `prepare_*` functions.

    Args:
        spec: The features.
        behaviors: Sequence name -> `BehaviorLog`.
        parts: `"train"`, `"valid"`, `"test"` -> `Samples`; a part may be absent.
        report: Counts of what was read, kept and kept aside, as values that JSON supports.
        bad_rows: `DataFrame` of the rows kept aside, with the columns `line` and `reason` in
            front, and `file` if there are several, or `None`.
        users: `Index` of the users' raw values by number, or `None`. For loaded data, the path of
            a Parquet file. `user_values` is the `Index` in both cases.
        log_format: The `LogFormat`, by which `append` reads further logs, or `None`.
        vocabularies: Name of each table whose vocabulary grows -> its `VocabularyState`.
        days: The `Day`s that `append` added, the first one first.
        known_last_time: `last_time`, if it is known.
        deliveries: The number of rows and a checksum of each file, or log, that was read.
        past: What `Count` features count: names of key columns -> `PastEvents`.
        catalog: For data of `prepare_interactions`, the `ItemCatalog` from which the negatives of
            further days are drawn. Otherwise `None`.
        met_items: The `MetItems`, which are not drawn as negatives of further days, or `None`.
            For data that was saved without them, the folder. `known_met_items` is the `MetItems`
            in both cases.

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
    log_format: LogFormat | None = None
    vocabularies: dict = dataclasses.field(default_factory=dict)
    days: tuple = ()
    deliveries: list = dataclasses.field(default_factory=list)
    known_last_time: int | None = None
    past: dict = dataclasses.field(default_factory=dict)
    catalog: ItemCatalog | None = None
    met_items: MetItems | pathlib.Path | None = None

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
        refuse_order(self.spec.features.values(), self.report.get("time_unit", ""))

    def dataset(
        self,
        part: str,
        batch_size: int = 1024,
        *,
        shuffle: bool = False,
        seed: int = 0,
        by_request: bool = False,
        batch_by: str | None = None,
        first_epoch: int = 0,
        drop_remainder: bool = False,
        shard: tuple[int, int] = (0, 1),
        pad_to_max_length: bool = False,
    ) -> "tf.data.Dataset":
        """Creates the `tf.data.Dataset` of a part, for `fit`, `evaluate` and `predict`.

        All arguments are those of `keras_din.data.dataset`. The dataset has two more attributes.
        `negative_rate` is that of `downsample_negatives` for the part `"train"`, 1 for the others.
        `keras_din.evaluate` uses it to compare predictions with labels of fewer negatives. `worker`
        is that of the data, by which several workers evaluate together.

        With data of `load_shards(folder, index, count)`, a `shard` must be `(index, count)`. The
        batches then have this worker's part of `batch_size` rows, of its own rows. The number of
        batches differs between workers; `keras_din.distributed.fit` ends an epoch after the
        smallest.

        Raises:
            ValueError: In the cases of `keras_din.data.dataset`, or if `shard` is that of another
                worker than the data.
        """
        self._check_part(part)
        index, count = pipeline.checked_shard(shard, batch_size)
        if count > 1 and self.worker[1] > 1:
            if self.worker != (index, count):
                raise ValueError(
                    "`shard` must be that of the data: pass the same index and count to "
                    f"`load_shards`. Received: shard={(index, count)} and data of {self.worker}."
                )
            batch_size = batch_size * (index + 1) // count - batch_size * index // count
            shard = (0, 1)
        result = pipeline.dataset(
            self.spec,
            self.behaviors,
            self.parts[part],
            batch_size,
            shuffle=shuffle,
            seed=seed,
            by_request=by_request,
            batch_by=batch_by,
            first_epoch=first_epoch,
            drop_remainder=drop_remainder,
            shard=shard,
            pad_to_max_length=pad_to_max_length,
        )
        if self.worker[1] > 1 and (len(self.spec.labels) > 1 or by_request):
            result = pipeline.with_weights(result)  # Else workers may differ.
        result.negative_rate = self.negative_rate if part == "train" else 1.0
        result.worker = self.worker
        return result

    def _check_part(self, part: str) -> None:
        if self.worker[1] > 1 and self.report.get("rows_of_smallest_worker", {}).get(part) == 0:
            raise ValueError(
                "Each worker must have rows of each part that is used: use fewer workers. "
                f"Received: part {part!r}, of which one of {self.worker[1]} workers has no rows."
            )
        one_of("part", part, tuple(self.parts))

    def take(self, part: str, rows: ArrayLike) -> "PreparedData":
        """Returns rows of a part as data of their own, with only the behaviors that they read.

        So a few rows of a large log are small. Their order is that of `rows`. Rows of one request
        must be adjacent if the data has requests.

        Args:
            part: Name of the part, which is the only part of the result.
            rows: Integers `(rows,)`, the numbers of the rows in the part.

        Raises:
            ValueError: If there is no such part or row.

        Example:

        ```python
        data = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
        few = data.take("test", [3, 5])
        x, y = next(iter(few.dataset("test")))  # Two rows.
        ```
        """
        samples = self.parts[one_of("part", part, tuple(self.parts))]
        found = np.asarray(rows)
        is_empty = found.ndim == 1 and not found.size
        if found.ndim != 1 or (found.dtype.kind not in "iu" and not is_empty):
            raise ValueError(f"`rows` must be a list of integers. Received: rows={rows!r}.")
        wrong = found[(found < 0) | (found >= len(samples))]
        if wrong.size:
            raise ValueError(
                f"`rows` must be numbers of the part {part!r}, from 0 to {len(samples) - 1}. "
                f"Received: {wrong[0]}."
            )
        rows = found.astype("int64")
        behaviors, samples = take_rows(self.spec, self.behaviors, samples, rows)
        report = {name: self.report[name] for name in _OF_ROWS if name in self.report}
        return PreparedData(
            self.spec, behaviors, {part: samples}, {"kind": "rows of a part"} | report
        )

    def remote_batches(
        self,
        part: str,
        batch_size: int = 1024,
        *,
        shuffle: bool = False,
        seed: int = 0,
        by_request: bool = False,
        batch_by: str | None = None,
        drop_remainder: bool = False,
    ) -> RemoteBatches:
        """Creates the batches of `dataset` for `keras_din.distributed.experimental.fit_on_servers`.

        All arguments are those of `keras_din.data.dataset`. Workers open the files of loaded data
        themselves, so they must see them at the same paths. Other data is sent to each worker once.
        This includes several shards of `load_shards`, which are joined in memory. Save them with
        `load_shards(folder).save(path)` and load `path` instead, so that workers read files.
        """
        one_of("part", part, tuple(self.parts))
        return RemoteBatches(
            self.spec,
            self.behaviors,
            self.parts[part],
            batch_size,
            shuffle=shuffle,
            seed=seed,
            by_request=by_request,
            batch_by=batch_by,
            drop_remainder=drop_remainder,
            negative_rate=self.negative_rate if part == "train" else 1.0,
        )

    def feature_counts(self, part: str = "train") -> dict:
        """Counts how often each index occurs in a part, for the optimizers' `feature_counts`.

        With data of `load_shards(folder, index, count)`, in the scope of a strategy of these
        workers, the counts are those of the rows of all workers, which must call it together.

        Returns:
            Name of each table -> int64 `(vocabulary_size,)`, see
            `keras_din.data.store.feature_counts.count_features`.

        Raises:
            ValueError: If there is no such part, or a worker calls it outside of such a scope.
        """
        one_of("part", part, tuple(self.parts))
        check_in_scope(self.worker, "feature_counts")
        counts = count_features(self.spec, self.behaviors, self.parts[part])
        return sum_over_workers(counts, self.worker)

    def item_groups(self, group: str) -> dict:
        """Returns the group of each item, such as its category, for `new_rows` of `keras_din.grow`.

        All rows and behaviors are looked at, with those of `days`. An item that has several groups
        gets the last one.

        Args:
            group: Name of a feature of the target with one index per item.

        Returns:
            Name of the item's table -> int64 `(vocabulary_size,)`: the index of each item's group,
            -1 for none.

        Raises:
            ValueError: If there is no such feature, or the data is that of a worker.
        """
        check_has_all_users(self.worker, "item_groups")
        days = [(self.behaviors, self.parts)]
        days += [(day.behaviors, {"train": day.samples}) for day in self.days]
        return item_groups(self.spec, days, group)

    def item_ages(self, part: str) -> np.ndarray:
        """Returns the age of the candidate of each row of a part, for `kd.plots.gauc_by_item_age`.

        It is the time since the first event of the item, the first `Categorical` of the target: the
        first row or behavior of all parts and appended days. Events without a known time, such as
        those of a prior history, do not count.

        Args:
            part: Name of the part.

        Returns:
            Float64 `(rows,)`, days. NaN for items that are not in the vocabulary.

        Raises:
            ValueError: If there is no such part, or the data has no times or is that of a worker.

        Example:

        ```python
        data = kd.data.load_kuairand()
        ages = data.item_ages("test")
        ```
        """
        samples = self.parts[one_of("part", part, tuple(self.parts))]
        check_has_all_users(self.worker, "item_ages")
        if samples.time is None or self.report.get("time_unit") == ORDER:
            found = "none" if samples.time is None else "an order instead of times"
            raise ValueError(f"`item_ages` requires rows with times. Received: {found}.")
        events = [*self.behaviors.values(), *self.parts.values()]
        for day in self.days:
            events += [*day.behaviors.values(), day.samples]
        return item_ages(self.spec, events, samples)

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
                are several labels, or one that is a number.
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
        (label,) = self.spec.labels
        if not label.is_binary:
            raise ValueError(
                "`downsample_negatives` requires a label of 0 and 1, since it changes the odds of "
                f"a click. Received: {label!r}."
            )
        positive = train.labels[label.name] == 1
        draws = np.random.default_rng(seed).random(len(train), dtype="float32")
        parts = self.parts | {"train": train[positive | (draws < negative_rate)]}
        report = self.report | {
            "negative_rate": self.report.get("negative_rate", 1.0) * negative_rate
        }
        return dataclasses.replace(self, parts=parts, report=report)

    @property
    def worker(self) -> tuple[int, int]:
        """The `(index, count)` of `load_shards`, or `(0, 1)` if the data has all users."""
        index, count = self.report.get("worker", (0, 1))
        return index, count

    @property
    def negative_rate(self) -> float:
        """The fraction of training negatives that `downsample_negatives` kept, 1 without it."""
        return float(self.report.get("negative_rate", 1.0))

    @functools.cached_property
    def user_values(self) -> pd.Index | None:
        """The users' raw values by number, named as their column, or `None`.

        It is `None` for data of an older version that did not store them, and for loaders whose
        users have no raw values.
        """
        if not isinstance(self.users, pathlib.Path):
            return self.users
        return load_users(self.users)

    @functools.cached_property
    def known_met_items(self) -> MetItems | None:
        """Which items each user has met in all logs, or `None`; see `met_items`."""
        if not isinstance(self.met_items, pathlib.Path):
            return self.met_items
        (sequence,) = self.spec.sequences
        folders = [self.met_items, *day_folders(self.met_items, self.days)]
        return met_items_of_keys(folders, self.day_behaviors(sequence.name))

    @property
    def last_time(self) -> int:
        """The last time of a row or behavior, with those of `days`: microseconds since 1970."""
        if self.known_last_time is not None:
            return self.known_last_time
        logs = [*self.behaviors.values(), *(log for d in self.days for log in d.behaviors.values())]
        samples = [*self.parts.values(), *(day.samples for day in self.days)]
        times = [each.time for each in (*logs, *samples) if each.time is not None]
        return max((int(time.max()) for time in times if len(time)), default=np.iinfo("int64").min)

    def append(
        self,
        source: Any,
        *,
        items: Any = None,
        users: Any = None,
        vectors: Mapping[str, Any] | None = None,
        late: str = "insert",
        max_age: float | None = None,
        max_values: int | None = None,
        evict: str = "least_recent",
        max_bad: float | None = None,
    ) -> "PreparedData":
        """Returns the data with a further log, such as that of the next day, as a new `Day`.

        The log is read like the one that `prepare_impressions` or `prepare_interactions` prepared:
        the same columns, units and types. The histories of its rows contain the behaviors of all
        days before. Rows that are there already, and their histories, do not change. The cost
        depends on the length of the log and of the vocabularies, and not on the number of events
        before.

        Vocabularies that were learned grow. A value is admitted when it was seen `min_count` times
        in all logs. It gets the next index, or that of an evicted value; no other value moves.
        Until then it is out-of-vocabulary. `keras_din.grow` makes the model of the new `spec`.

        In a log of behaviors, of `prepare_interactions`, each row is a positive, except the first
        behavior of a user in all logs. Its negatives are drawn like those of
        `prepare_interactions`, from the items of all logs and tables until then, and not from
        items of the user's list until then. An item that was not in a log or table for `max_age`
        days, or that `max_values` removed from the vocabulary, is not drawn any more. The drawn
        values count as seen for `min_count`, but not for `max_age`. The draws depend on the `seed`
        of `prepare_interactions` and the number of the append: a day that is appended in two
        pieces has the same positives and histories, but other negatives. An item keeps its
        features unless a later table of items replaces them.

        Args:
            source: The log, see `prepare_impressions`.
            items: Table with one row per item, for columns that are not in the log. In a log of
                behaviors, its items are also drawn as negatives.
            users: Table with one row per user, for columns that are not in the log.
            vectors: Vectors of new items, same as in `prepare_impressions`. A new item without
                one has the mean vector, which is counted and printed. Known items keep theirs.
            late: What happens to rows that are earlier than the last time of the data: `"insert"`
                gives them the history of their own time, and inserts their behaviors in the
                histories of rows that are appended now and later; `"refuse"` raises an error.
            max_age: Days after which a value that was not seen leaves its vocabulary, or `None`.
            max_values: The largest number of values of a vocabulary, or `None`.
            evict: Which values leave first if there are more: `"least_recent"`, those that were
                not seen for the longest time, or `"least_frequent"`. Values of the log stay.
            max_bad: The largest share of rows that may be kept aside for one reason, by default
                that of the log that was prepared.

        Returns:
            A `PreparedData` with one more `Day`. Files whose rows were all read before, when the
            data was prepared or by `append`, are left out, also the first rows of a file that has
            grown, and a notice is printed. If no other rows are there, this data.

        Raises:
            ValueError: If neither `prepare_impressions` nor `prepare_interactions` of this version
                prepared the data, a column is missing or has another type than before, too many
                rows are bad, there are late rows with `late="refuse"`, or no negative is left for
                a user.

        Example:

        ```python
        import pandas as pd

        def log(day):
            hours = np.arange(24) + 24 * day
            items = [f"item {h % 5 + day}" for h in hours]
            clicks = hours % 2
            columns = {"user": hours % 3, "time": hours * 3600, "item": items, "click": clicks}
            return pd.DataFrame(columns)

        columns = {"user": "user", "time": "time", "label": "click", "target": ["item"]}
        data = kd.data.prepare_impressions(log(400), **columns, dim=4)
        data = data.append(log(401))
        data.day(0).dataset("train", batch_size=8)
        ```
        """
        check_has_all_users(self.worker, "append")
        eviction = Eviction(
            None if max_age is None else int(positive_number("max_age", max_age) * _DAY),
            None if max_values is None else positive_integer("max_values", max_values),
            one_of("evict", evict, ("least_recent", "least_frequent")) == "least_frequent",
        )
        day, data = append_log(
            self,
            source,
            items=items,
            users=users,
            vectors=vectors,
            late=late,
            eviction=eviction,
            max_bad=max_bad,
        )
        if day is None:
            print("nothing changed", flush=True)
            return self
        return dataclasses.replace(data, days=(*data.days, day))

    def updated(self, spec: FeatureSpec, vocabularies: dict) -> "PreparedData":
        """Returns the data with a grown spec. Values that were evicted are out-of-vocabulary."""
        evicted = {name: state.evicted_after(0) for name, state in vocabularies.items()}
        behaviors, parts = update_columns(spec, evicted, self.behaviors, self.parts)
        return dataclasses.replace(
            self,
            spec=spec,
            behaviors=behaviors,
            parts=parts,
            vocabularies=vocabularies,
            days=tuple(day.updated(spec, vocabularies) for day in self.days),
        )

    def day(self, index: int) -> "PreparedData":
        """Returns the rows of an appended day as data of their own, with the part `"train"`.

        Args:
            index: 0 for the first appended day, -1 for the last.
        """
        if not -len(self.days) <= index < len(self.days):
            raise IndexError(
                f"`index` must be the number of an appended day, of {len(self.days)}. "
                f"Received: {index}."
            )
        day = self.days[index]
        return PreparedData(
            self.spec, day.behaviors, {"train": day.samples}, day.report, day.bad_rows, day.users
        )

    def day_behaviors(self, sequence: str) -> list[DayBehaviors]:
        """Returns the `DayBehaviors` of the base data and of each day, the oldest first."""
        assert self.user_values is not None, "checked before"
        base = DayBehaviors(self.user_values, self.behaviors[sequence], None)
        days = [
            DayBehaviors(day.users, day.behaviors[sequence], day.is_own[sequence])
            for day in self.days
        ]
        return [base, *days]

    @property
    def all_past(self) -> list:
        """The `past` of the base data and of each day, the oldest first."""
        return [self.past, *(day.past for day in self.days)]

    def count_snapshots(self) -> list:
        """Returns the values of `Count` features at the end of the log, for `keras_din.export`.

        There is one for each `Count` whose only key is a feature with a vocabulary, such as the
        item or the category, in the same place of the spec. All rows of the log count, with those
        of `days`. Values out of the vocabulary have no rows. Counts of users and of combinations
        have no snapshot, so clients send them. Data of `load_shards` has no other counts.

        Returns:
            List of `SnapshotCount`.

        Raises:
            ValueError: If the data has counts and an order instead of times, or is a `day` or
                `joined`, which has no rows of the log.

        Example:

        ```python
        import pandas as pd

        log = pd.DataFrame(
            {
                "user": [1, 2, 1, 2],
                "time": [1, 2, 3, 4],
                "item": ["a", "a", "b", "a"],
                "click": [1, 0, 0, 1],
            }
        )
        clicks = kd.Count("item_clicks", of="item", event="click")
        columns = {"user": "user", "time": "time", "label": "click", "target": ["item", clicks]}
        data = kd.data.prepare_impressions(log, split=kd.data.ByTime(), **columns, dim=4)
        (snapshot,) = data.count_snapshots()
        snapshot.values  # 0 for padding and other items, 2 for a, 0 for b
        ```
        """
        if self.report.get("kind") == "shards":
            return []  # All counts have the user among their keys.
        found = snapshots_of(
            self.spec,
            self.all_past,
            self.last_time + 1,
            [] if self.user_values is None else [self.user_values.name],
        )
        if found and self.report.get("time_unit") == ORDER:
            raise ValueError(
                "Snapshots of counts require data with times, since a version states their time. "
                f"Received: {found[0]!r}, and an order instead of times."
            )
        return found

    def unseen_day(self, index: int, spec: FeatureSpec, learned_days: int) -> "PreparedData":
        """Returns an appended day as a model sees it that has not learned from the day.

        Values that were admitted after the days that the model knows are out-of-vocabulary.

        Args:
            index: See `day`.
            spec: The spec of the model. It may have fewer values.
            learned_days: The number of appended days that the model knows.
        """
        day = self.day(index)
        unknown = {n: state.changed_after(learned_days) for n, state in self.vocabularies.items()}
        behaviors, parts = update_columns(self.spec, unknown, day.behaviors, day.parts)
        return dataclasses.replace(day, spec=spec, behaviors=behaviors, parts=parts)

    def day_with_replay(self, index: int, replay: float, seed: int) -> "PreparedData":
        """Returns an appended day with rows of the days before it, drawn at random.

        Args:
            index: See `day`.
            replay: The share of these rows among all rows, in [0, 1).
            seed: The seed of the draw.
        """
        index = range(len(self.days))[index]
        day = self.days[index]
        older = [(each.behaviors, each.samples, each.users) for each in self.days[:index]]
        if "train" in self.parts:
            older.insert(0, (self.behaviors, self.parts["train"], self.user_values))
        lengths = [len(samples) for _, samples, _ in older]
        count = min(round(len(day.samples) * replay / (1 - replay)), sum(lengths))
        if not count:
            return self.day(index)
        drawn = np.random.default_rng([seed, index]).choice(sum(lengths), count, replace=False)
        drawn.sort()
        pieces, first = [(day.behaviors, {"train": day.samples}, day.users)], 0
        for (behaviors, samples, users), length in zip(older, lengths, strict=True):
            rows = drawn[(drawn >= first) & (drawn < first + length)] - first
            behaviors, samples = take_rows(self.spec, behaviors, samples, rows)
            pieces.append((behaviors, {"train": samples}, users))
            first += length
        behaviors, parts = join_days(pieces)
        return PreparedData(self.spec, behaviors, parts, {"kind": "a day with replay"})

    def joined(self, valid_days: int = 0) -> "PreparedData":
        """Returns the data and its appended days as one, to train a model on all days anew.

        The part `"train"` has the rows of all parts of the base data, and those of the days. Users
        have no raw values, since a user of several days has a history in each.

        Args:
            valid_days: The last days that become the part `"valid"` instead.

        Raises:
            ValueError: If there are fewer than `valid_days` days, or users without raw values.
        """
        check_has_all_users(self.worker, "joined")
        positive_integer("valid_days", valid_days, minimum=0)
        if self.user_values is None or valid_days > len(self.days):
            raise ValueError(
                "`joined` requires data with the users' raw values and at least `valid_days` "
                f"appended days. Received: valid_days={valid_days}, {self!r}."
            )
        pieces = [
            (self.behaviors, {"train": part}, self.user_values) for part in self.parts.values()
        ]
        first_valid = len(self.days) - valid_days
        for i, day in enumerate(self.days):
            part = "train" if i < first_valid else "valid"
            pieces.append((day.behaviors, {part: day.samples}, day.users))
        behaviors, parts = join_days(pieces)
        return PreparedData(self.spec, behaviors, parts, {"kind": "joined days"})

    def weight_by_recency(self, half_life: float) -> "PreparedData":
        """Returns the data with smaller weights for older training rows, for changing interests.

        A row of the part `"train"` has the weight `2 ** (-age / half_life)`, where `age` is its
        distance in days from the last row of that part. An existing weight is multiplied by it.
        `fit` uses it as `sample_weight`. The other parts stay unchanged. With data of
        `load_shards(folder, index, count)` the last row is that of all workers, which must call it
        together in the scope of their strategy.

        Args:
            half_life: Days after which the weight of a row is half, a positive number.

        Returns:
            A `PreparedData` whose report has the `half_life`.

        Raises:
            ValueError: If `half_life` is not positive, there is no part `"train"` with times, or a
                worker calls it outside of such a scope.
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
        check_in_scope(self.worker, "weight_by_recency")
        last = max_over_workers({"time": train.time.max()}, self.worker)["time"]
        age = (last - train.time) / _DAY
        weight = np.exp2(-age / half_life)
        if train.weight is not None:
            weight *= train.weight
        parts = self.parts | {"train": dataclasses.replace(train, weight=weight)}
        before = self.report.get("half_life", np.inf)
        report = self.report | {"half_life": 1 / (1 / before + 1 / half_life)}
        return dataclasses.replace(self, parts=parts, report=report)

    def save(
        self, folder: str | os.PathLike, *, overwrite: bool = False, entries: dict | None = None
    ) -> None:
        """Writes the data to a folder, completely or not at all.

        The files are written to a temporary folder next to it, which is renamed when complete. So
        an interrupted or failed save leaves the previous content.

        Args:
            folder: A path that does not exist, or an empty folder.
            overwrite: Whether existing prepared data may be replaced.
            entries: Types and features, such as `Proposal.entries`. The folder then has the file
                `features.json`, which `keras-din prepare --spec` reads.

        Raises:
            FileExistsError: If the folder is not empty, and `overwrite` is not set or the folder
                is not prepared data.
        """
        with atomic_folder(folder, HEADER, overwrite) as partial:
            self._write(partial)
            if entries:
                save_entries(entries, partial / FEATURES)

    def _write(self, folder: pathlib.Path) -> None:
        for name, log in self.behaviors.items():
            log.save(folder / "behaviors" / name)
        for part, samples in self.parts.items():
            samples.save(folder / "parts" / part)
        save_bad_rows(self.bad_rows, folder / BAD_ROWS)
        users = self.user_values
        if users is not None:
            save_users(users, folder / _USERS)
        if self.log_format is not None:
            text = json.dumps(
                self.log_format.to_dict(), indent=1, ensure_ascii=False, allow_nan=False
            )
            (folder / _LOG_FORMAT).write_text(text, encoding="utf-8")
        save_growth(folder, self.spec, self.vocabularies, self.catalog)
        save_days(folder, self)
        save_past(self.past, folder)
        save_header(folder, list(self.parts), self.report)

    @classmethod
    def load(cls, folder: str | os.PathLike) -> "PreparedData":
        """Loads what `save` wrote, also that of version 0.1, with memory-mapped arrays.

        Raises:
            FileNotFoundError: If `folder` is not prepared data.
            ValueError: If it is of another format, or a file is missing or cut off.
        """
        folder = local_path("folder", folder)
        _check_saved(folder)
        header = json.loads((folder / HEADER).read_text(encoding="utf-8"))
        if header.get("format") != _FORMAT:
            raise ValueError(
                f"Prepared data must be of format {_FORMAT}. "
                f"Received: format={header.get('format')!r} in {folder}."
            )
        check_files(folder, header.get("files", ()))  # Those of older versions are not known.
        spec, vocabularies, catalog, met_items, load, of_days = load_days(folder)
        # Version 0.1 used the British spelling.
        behaviors = "behaviors" if (folder / "behaviors").is_dir() else "behaviours"
        log_format = folder / _LOG_FORMAT
        data = cls(
            spec,
            {
                sequence.name: BehaviorLog.load(folder / behaviors / sequence.name)
                for sequence in spec.sequences
            },
            {part: Samples.load(folder / "parts" / part) for part in header["parts"]},
            header["report"],
            load_bad_rows(folder / BAD_ROWS),
            folder / _USERS if (folder / _USERS).is_file() else None,
            log_format=(
                LogFormat.from_dict(json.loads(log_format.read_text(encoding="utf-8")))
                if log_format.is_file()
                else None
            ),
            days=load(spec, vocabularies),
            deliveries=of_days.get("deliveries", []),
            known_last_time=of_days.get("last_time"),
            past=load_past(folder),
            catalog=catalog,
            met_items=folder if met_items is None and has_item_keys(folder) else met_items,
        )
        return data.updated(spec, vocabularies)

    def __repr__(self):
        days = f", {count_text(len(self.days), 'appended day')}" if self.days else ""
        parts = ", ".join(f"{part}: {len(samples):,}" for part, samples in self.parts.items())
        logs = ", ".join(f"{name}: {len(log):,}" for name, log in self.behaviors.items())
        return f"PreparedData(rows of {{{parts}}}, events of {{{logs}}}{days})"

    def _repr_html_(self) -> str:
        of_parts = self.report.get("parts", {})
        rows = []
        for part, samples in self.parts.items():
            clicks = of_parts.get(part, {}).get("clicks")
            rate = "" if clicks is None else clicks / max(len(samples), 1)
            rows.append((part, len(samples), "" if clicks is None else clicks, rate))
        parts = html_table("PreparedData", ("part", "rows", "clicks", "click rate"), rows)
        return f"{parts}\n{self.spec._repr_html_()}"


def append_to_folder(
    folder: str | os.PathLike, source: Any, *, wait: bool = False, **options
) -> PreparedData:
    """Appends a log to saved data, completely or not at all; see `PreparedData.append`.

    Only the new day is written. If the process is interrupted, the folder stays as it was. Two
    processes never append to a folder at the same time.

    Args:
        folder: The folder of `PreparedData.save`.
        source: The log.
        wait: Whether to wait for another process that appends to the folder.
        **options: Further arguments of `PreparedData.append`.

    Returns:
        The `PreparedData` with the day.

    Raises:
        BlockingIOError: If another process appends to the folder and `wait` is not set.
        FileNotFoundError: If `folder` is not prepared data.
        ValueError: See `PreparedData.append`.

    Example:

    ```python
    import pandas as pd

    log = pd.DataFrame(
        {
            "user": [1, 2] * 10,
            "time": range(20),
            "item": list("abcde") * 4,
            "click": [1, 0, 0, 0, 1] * 4,
        }
    )
    columns = {"user": "user", "time": "time", "label": "click", "target": ["item"]}
    kd.data.prepare_impressions(log, **columns, dim=4).save("data")
    data = kd.data.append_to_folder("data", log.assign(time=log["time"] + 20))
    ```
    """
    _check_saved(folder)
    folder = pathlib.Path(os.path.realpath(local_path("folder", folder)))
    with append_lock(folder, wait):
        with without_checks_of_values():
            before = PreparedData.load(folder)
        data = before.append(source, **options)
        if data is not before:
            append_day(folder, data)
    return data
