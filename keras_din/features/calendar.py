"""`Calendar`: a part of the date or of the time of day."""

import dataclasses
import json
import zlib
from collections.abc import Sequence as SequenceOf
from typing import Any

from keras_din.checks import one_of
from keras_din.features.kind import register_kind
from keras_din.features.time_feature import TimeFeature
from keras_din.features.time_zones import utc_offsets

# Name of a part -> number of its values.
PARTS = {"hour_of_day": 24, "day_of_week": 7, "hour_of_week": 168, "day_of_month": 31, "month": 12}


@register_kind
@dataclasses.dataclass(frozen=True, init=False, repr=False)
class Calendar(TimeFeature):
    """A part of the local date or time, with a table of embeddings.

    In `context` and `target` it is that of the request; in a sequence, that of each behavior. In
    `target` and `of` a sequence, models compare both. The log needs no column: the index is
    computed from the times of samples and behaviors. An exported version computes it from its
    inputs `time`, int64 `(batch,)`, and `{sequence}_time`, int64 `(batch, time)`.

    Args:
        part: `"hour_of_day"`, `"day_of_week"` (Monday is the first), `"hour_of_week"`,
            `"day_of_month"` or `"month"`. The first value has index 2.
        name: Name of the feature. Defaults to the part.
        dim: Width of the embedding.
        time_zone: A name of the IANA database such as `"Europe/Berlin"`, or a fixed offset such as
            `"+05:30"`. Its offsets from UTC are resolved from 1900 to 2100 when the feature is
            created, and are stored with it, so that a later database does not change a trained
            model. Times outside of these years have the first or last offset.
        time_unit: See `Elapsed`.
        transitions: Seconds since 1970 at which the offset changes, as they were stored.
        offsets: Seconds from UTC before, between and after the transitions, as they were stored.

    Raises:
        ValueError: If an argument is invalid, or there is no such time zone.

    Example:

    ```python
    item = kd.Categorical("item_id", 100)
    hour = kd.Calendar("hour_of_day", dim=4, time_zone="Asia/Kolkata")
    hist = kd.Sequence("hist", of=[item], side_features=[hour])
    spec = kd.FeatureSpec(context=[hour], target=[item], sequences=[hist])
    list(spec.inputs)  # hour_of_day, item_id, hist_item_id and hist_hour_of_day
    ```
    """

    part: str
    time_zone: str
    transitions: tuple
    offsets: tuple

    def __init__(
        self,
        part: str,
        *,
        name: str | None = None,
        dim: int = 16,
        time_zone: str = "UTC",
        time_unit: str = "us",
        transitions: SequenceOf[int] | None = None,
        offsets: SequenceOf[int] | None = None,
    ) -> None:
        one_of("part", part, tuple(PARTS))
        set_field = lambda field, value: object.__setattr__(self, field, value)  # noqa: E731
        for field, value in (
            ("name", part if name is None else name),
            ("dim", dim),
            ("time_unit", time_unit),
            ("part", part),
            ("time_zone", time_zone),
        ):
            set_field(field, value)
        self.__post_init__()
        owner = f"Calendar {self.name!r}"
        if not isinstance(time_zone, str):
            raise ValueError(
                f"`time_zone` of {owner} must be text, such as 'Europe/Berlin' or '+05:30'. "
                f"Received: time_zone={time_zone!r}."
            )
        if (transitions is None) != (offsets is None):
            raise ValueError(
                f"`transitions` and `offsets` of {owner} must be given together. "
                f"Received: transitions={transitions!r}, offsets={offsets!r}."
            )
        if transitions is None or offsets is None:
            transitions, offsets = utc_offsets(owner, time_zone)
        if len(offsets) != len(transitions) + 1 or list(transitions) != sorted(set(transitions)):
            raise ValueError(
                f"`transitions` of {owner} must ascend, with one more of `offsets`. "
                f"Received: {len(transitions)} transitions and {len(offsets)} offsets."
            )
        set_field("transitions", tuple(transitions))
        set_field("offsets", tuple(offsets))

    @property
    def num_values(self) -> int:
        return PARTS[self.part]

    def to_dict(self) -> dict:
        entry = super().to_dict()
        transitions, (first, *later) = entry.pop("transitions"), entry.pop("offsets")
        pairs = [f"{t}:{offset}" for t, offset in zip(transitions, later, strict=True)]
        return entry | {"utc_offsets": " ".join([str(first), *pairs])}

    @classmethod
    def from_dict(cls, entry: dict, tables: dict) -> "Calendar":
        entry = dict(entry)
        first, *pairs = entry.pop("utc_offsets").split()
        numbers = [tuple(map(int, pair.split(":"))) for pair in pairs]
        offsets = [int(first), *(offset for _, offset in numbers)]
        return cls(**entry, transitions=[second for second, _ in numbers], offsets=offsets)

    def identity(self) -> dict:
        identity = super().identity()
        table = [identity.pop("transitions"), identity.pop("offsets")]
        return identity | {"offsets": f"{zlib.crc32(json.dumps(table).encode()):08x}"}

    def __repr__(self):
        name = "" if self.name == self.part else f", name={self.name!r}"
        return f"Calendar({self.part!r}{name}, time_zone={self.time_zone!r}, dim={self.dim})"


def calendar_part(part: str, seconds: Any) -> Any:
    """Returns a part of local times, numbered from 0.

    Args:
        part: A key of `PARTS`.
        seconds: Seconds since 1970 in local time: an integer, or integers of any library whose
            `//` and `%` round down.

    Reference:
        The month and day are those of `civil_from_days` of
        [Hinnant](https://howardhinnant.github.io/date_algorithms.html).
    """
    hours, days = seconds // 3600, seconds // 86_400
    if part == "hour_of_day":
        return hours % 24
    if part == "day_of_week":
        return (days + 3) % 7  # 1970-01-01 was a Thursday.
    if part == "hour_of_week":
        return (hours + 72) % 168
    # Years begin in March here, so that February 29 is the last day of a year.
    day_of_era = (days + 719_468) % 146_097
    year = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year + year // 4 - year // 100)
    month = (5 * day_of_year + 2) // 153
    if part == "month":
        return (month + 2) % 12
    return day_of_year - (153 * month + 2) // 5
