"""How a log was read, which prepared data stores so that further days are read in the same way."""

import dataclasses

import numpy as np

from keras_din.checks import json_values
from keras_din.data.reading.times import ORDER, UNITS, times_have_zones


@dataclasses.dataclass(frozen=True)
class LogFormat:
    """The arguments of `prepare_impressions` or `prepare_interactions` that describe a log.

    Attributes:
        user: Column of users.
        time: Column of times or of an order.
        time_unit: The unit of its numbers, after it was detected.
        time_format: The format of its text, or `None`.
        time_zones: Whether its dates have time zones, see `times_have_zones`.
        labels: Name of each label -> its column. Empty for a log of behaviors.
        sequences: Name of each sequence -> the column that selects its behaviors, or `None` if
            each row is one.
        request: Column of requests, or `None`.
        separators: Name of a column with several values -> its separator.
        sep: Separator of CSV files, or `None`.
        header: Whether CSV files have a header, or `None`.
        names: Names of the columns of a CSV file, or `None`.
        label_map: Name of the column of each label -> its other values -> 0 or 1.
        duplicates: `"keep"`, `"drop"` or `None`.
        max_bad: The largest share of bad rows.
        min_count: How often a value must be seen to have its own embedding.
        weight: Column of weights, or `None`.
        counted: Columns of 0 and 1 that mark the events of `Count` features.
        negatives: For a log of behaviors: the number of negatives per positive, or their column.
        negatives_by: `"uniform"` or `"popularity"`.
        ties: `"exclude"` or `"order"`.
        seed: Seed of the negatives.
    """

    user: str
    time: str
    time_unit: str
    time_format: str | None
    time_zones: tuple
    labels: dict
    sequences: dict
    request: str | None
    separators: dict
    sep: str | None
    header: bool | None
    names: list | None
    label_map: dict
    duplicates: str | None
    max_bad: float
    min_count: int
    weight: str | None = None
    counted: list = dataclasses.field(default_factory=list)
    negatives: int | str | None = None
    negatives_by: str = "uniform"
    ties: str = "exclude"
    seed: int = 0

    @property
    def given_negatives(self) -> str | None:
        """The column of negatives, or `None` if they are drawn."""
        return self.negatives if isinstance(self.negatives, str) else None

    @property
    def ids(self) -> list:
        """The columns of ids that are no features: of users, requests and given negatives."""
        names = (self.user, self.request, self.given_negatives)
        return [name for name in names if name is not None]

    @property
    def numbers(self) -> list:
        """The columns of numbers that are no features: labels, behaviors and weights."""
        return self.flags if self.weight is None else [*self.flags, self.weight]

    @property
    def flags(self) -> list:
        """The columns of labels, behaviors of sequences and events of counts, each once."""
        flags = [*self.labels.values(), *self.sequences.values(), *self.counted]
        return [name for name in dict.fromkeys(flags) if name is not None]

    def to_dict(self) -> dict:
        """Returns the format as JSON values."""
        fields = dataclasses.asdict(self)
        fields["label_map"] = {  # The keys of a JSON object can only be text.
            name: [[_plain(key), value] for key, value in of_label.items()]
            for name, of_label in self.label_map.items()
        }
        return json_values("log_format", fields)

    @classmethod
    def from_dict(cls, fields: dict) -> "LogFormat":
        """Reads what `to_dict` returned."""
        label_map = {name: dict(pairs) for name, pairs in fields["label_map"].items()}
        zones = tuple(fields["time_zones"])
        return cls(**fields | {"label_map": label_map, "time_zones": zones})


def times_of_log(values, found_unit: str, time_unit: str, time_format: str | None) -> tuple:
    """Returns `time_unit` and `time_zones` of the `LogFormat` of a log.

    Args:
        values: The column of times.
        found_unit: The unit that was detected.
        time_unit: The unit that was given.
        time_format: The format of times, or `None`.
    """
    unit = found_unit if found_unit in (*UNITS, ORDER) else "auto"
    has_zones = time_unit != ORDER and not time_format
    return unit, times_have_zones(values) if has_zones else ()


def _plain(key):
    return key.item() if isinstance(key, np.generic) else key
