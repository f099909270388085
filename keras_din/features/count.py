"""`Count`: what a log knows of an item or user before a row, such as the clicks of 7 days."""

import dataclasses
import datetime
import math
import re
from collections.abc import Sequence as SequenceOf
from typing import TYPE_CHECKING, Any, ClassVar

from keras_din.checks import is_number, one_of, positive_number, rate
from keras_din.features.kind import as_tuple, register_kind
from keras_din.features.numeric import Numeric

ROW = "row"  # The event that every row of a log is.
COUNT_KINDS = ("count", "rate", "age")
_SECONDS = {"w": 604_800, "d": 86_400, "h": 3600, "min": 60, "s": 1}
_PRIOR = 20.0


@register_kind
@dataclasses.dataclass(frozen=True, repr=False)
class Count(Numeric):
    """How many events of a key, such as the clicks of an item, a log has before each row.

    The log needs no column for it: `prepare_impressions` and `prepare_interactions` count the rows
    strictly before the time of each row, or of its request, in all parts. Rows at the same time do
    not count, because they may be a consequence. So no row knows its own label, and all rows of a
    request have the same counts. Behaviors of a `prior_history` do not count.

    The kinds:

    - `"count"`: the number of events in the window.
    - `"rate"`: `(events + prior * base) / (rows + prior)` in the window. `base` is the share of
      rows with the event in the training part, so a key without rows has the rate `base`.
    - `"age"`: seconds since the first event of the key, 0 if there was none. With
      `event="row"` it is the age of an item, and 0 is a new item.

    A model reads `log(1 + value)` of counts and ages, and rates as they are, standardized like any
    `Numeric`. Data sets and requests contain the value itself, float32. The client sends it,
    unless the version has a snapshot of it, see `PreparedData.count_snapshots`. `keras-din predict`
    counts the rows of the run's data, and not those of the log that it scores.

    GAUC by user misleads with counts of the user's own clicks. They can improve AUC and logloss,
    since some users click more than others. But of two rows of a user with different labels, the
    later one knows of one more click exactly if it is the one without a click. So a model that
    uses them well has a lower GAUC, and an untrained one may have a high GAUC. All candidates of a
    request share these counts: choose the weights by logloss, or let groups be requests.

    Args:
        name: Name of the feature and of the model's input. Not that of the user, time, request,
            label or weight of the log, whose column the values would replace.
        of: Column of keys, such as the item, the category or the user, or a list of columns for
            combinations, such as `["user", "category"]`. They need not be features. A missing
            value is a key of its own.
        event: Column of 0 and 1 that marks the events, such as the label. `"row"` counts every
            row: impressions, or behaviors in `prepare_interactions`.
        window: How long before a row events count: a number of seconds, a `timedelta`, or text
            such as `"7d"`, `"12h"`, `"30min"` or `"45s"`. `None` means without limit.
        kind: `"count"`, `"rate"` or `"age"`.
        prior: For rates: how many rows with the base rate are added. Defaults to 20.
        base: For rates: the base rate. It is learned from the training part unless it is given.
        mean: Same as in `Numeric`, of transformed values; learned from the training part.
        std: Same as in `Numeric`.

    Raises:
        ValueError: If an argument is invalid, a rate has no event, or an age has a window.

    Example:

    ```python
    import pandas as pd

    log = pd.DataFrame(
        {
            "user": [1, 2, 1, 2],
            "time": ["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"],
            "item": ["a", "a", "b", "a"],
            "click": [1, 0, 0, 1],
        }
    )
    clicks = kd.Count("item_clicks", of="item", event="click", window="7d")
    columns = {"user": "user", "time": "time", "label": "click", "target": ["item", clicks]}
    data = kd.data.prepare_impressions(log, split=kd.data.ByTime(), **columns, dim=4)
    data.parts["train"].columns["item_clicks"]  # By user and time: 0, 0, 1, 1
    ```
    """

    of: tuple[str, ...] = dataclasses.field(kw_only=True)
    event: str = dataclasses.field(default=ROW, kw_only=True)
    window: float | None = dataclasses.field(default=None, kw_only=True)
    kind: str = dataclasses.field(default="count", kw_only=True)
    prior: float | None = dataclasses.field(default=None, kw_only=True)
    base: float | None = dataclasses.field(default=None, kw_only=True)
    # They depend on the kind.
    transform: str | None = dataclasses.field(default=None, init=False)
    limits: None = dataclasses.field(default=None, init=False)
    knots: None = dataclasses.field(default=None, init=False)
    from_events: ClassVar[bool] = True
    roles: ClassVar[tuple[str, ...]] = ("context", "target")

    if TYPE_CHECKING:  # Some arguments have other types than the attributes.

        def __init__(
            self,
            name: str,
            *,
            of: str | SequenceOf[str],
            event: str = ROW,
            window: float | str | datetime.timedelta | None = None,
            kind: str = "count",
            prior: float | None = None,
            base: float | None = None,
            mean: float | None = None,
            std: float | None = None,
        ) -> None: ...

    def __post_init__(self):
        set_field = lambda field, value: object.__setattr__(self, field, value)  # noqa: E731
        owner = f"Count {self.name!r}"
        one_of(f"kind` of `{owner}", self.kind, COUNT_KINDS)
        set_field("transform", None if self.kind == "rate" else "log1p")
        super().__post_init__()
        of = (self.of,) if isinstance(self.of, str) else as_tuple(owner, "of", self.of)
        if not of or len(set(of)) < len(of) or not all(isinstance(n, str) and n for n in of):
            raise ValueError(
                f"`of` of {owner} must be the name of a column, or a list of different names. "
                f"Received: of={self.of!r}."
            )
        set_field("of", of)
        if not isinstance(self.event, str) or not self.event:
            raise ValueError(
                f"`event` of {owner} must be the name of a column of 0 and 1, or {ROW!r} to count "
                f"every row. Received: event={self.event!r}."
            )
        if self.window is not None:
            set_field("window", _seconds(owner, self.window))
        if self.kind == "age" and self.window is not None:
            raise ValueError(
                f"`window` of {owner} must be None with kind='age', which is the time since the "
                f"first event. Received: window={self.window!r} seconds."
            )
        self._check_rate(owner, set_field)

    def _check_rate(self, owner: str, set_field) -> None:
        if self.kind != "rate":
            for word in ("prior", "base"):
                if getattr(self, word) is not None:
                    raise ValueError(
                        f"`{word}` of {owner} must be given with kind='rate' only. "
                        f"Received: {word}={getattr(self, word)!r} and kind={self.kind!r}."
                    )
            return
        if self.event == ROW:
            raise ValueError(
                f"`event` of {owner} must be a column of 0 and 1 with kind='rate', the share of "
                f"rows with the event. Received: event={ROW!r}."
            )
        prior = _PRIOR if self.prior is None else self.prior
        set_field("prior", positive_number(f"prior` of `{owner}", prior))
        if self.base is not None:
            base = 0.0 if self.base == 0 else rate(f"base` of `{owner}", self.base)
            set_field("base", base)

    @property
    def flag(self) -> str | None:
        """The column of 0 and 1 that marks the events, or `None` to count every row."""
        return None if self.event == ROW else self.event

    @property
    def microseconds(self) -> int | None:
        """The window in microseconds, or `None`."""
        return None if self.window is None else round(self.window * 1_000_000)

    @property
    def requires_times(self) -> bool:
        """Whether an order instead of times is not enough."""
        return self.window is not None or self.kind == "age"

    def to_dict(self) -> dict:
        derived = ("transform", "limits", "knots")
        return {name: value for name, value in super().to_dict().items() if name not in derived}

    def identity(self) -> dict:
        identity = super().identity()
        # The fingerprint has the kind of the feature as `kind`.
        return identity | {"measure": identity.pop("kind")}

    def __repr__(self):
        of = self.of[0] if len(self.of) == 1 else list(self.of)
        words = [repr(self.name), f"of={of!r}", f"event={self.event!r}"]
        if self.window is not None:
            words.append(f"window={_duration(self.window)!r}")
        return f"Count({', '.join(words)}, kind={self.kind!r})"


def _seconds(owner: str, window: Any) -> float:
    """Returns a duration in seconds, or raises a `ValueError`."""
    seconds: Any = math.nan
    given = window
    if type(window).__name__ == "timedelta64":  # NumPy's, a subclass of its integers.
        window = window.astype("timedelta64[us]").item()
    if isinstance(window, datetime.timedelta):
        seconds = window / datetime.timedelta(seconds=1)
    elif is_number(window):
        seconds = window
    elif isinstance(window, str):
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(w|d|h|min|s)\s*", window)
        if found:
            seconds = float(found[1]) * _SECONDS[found[2]]
    seconds = float(seconds)
    if not 1 <= seconds * 1_000_000 < 2**62:
        raise ValueError(
            f"`window` of {owner} must be a positive duration: a number of seconds, a timedelta, "
            "or text such as '7d', '12h', '30min' or '45s'. "
            f"Received: window={given!r}."
        )
    return int(seconds) if seconds == int(seconds) else seconds


def _duration(seconds: float) -> str:
    """Returns text such as `"7d"`, which `_seconds` reads."""
    unit = next((u for u, size in _SECONDS.items() if u != "w" and seconds % size == 0), "s")
    return f"{seconds / _SECONDS[unit]:.12g}{unit}"
