"""How the rows of new values start on each day of an update."""

from typing import TYPE_CHECKING, Any

import numpy as np

from keras_din.new_rows import INITIALIZER, PROJECTION_OF, describe_start, vectors_of_projection

if TYPE_CHECKING:
    from keras_din.data import PreparedData

_MEAN_OF = "mean_of:"


class NewRows:
    """The arguments of `keras_din.grow` for the new rows of each day.

    Args:
        data: The `PreparedData` with appended days.
        how: `"initializer"`, `"mean_of:NAME"` or `"projection_of:NAME"`, see `update`.

    Raises:
        ValueError: If `how` is none of them, or names no such feature.
    """

    def __init__(self, data: "PreparedData", how: str):
        self._data = data
        self._new_rows: str | dict = how
        self._is_projection = isinstance(how, str) and how.startswith(PROJECTION_OF)
        self._counts: list[dict[str, np.ndarray]] = []  # Before the first day, the second, ...
        if isinstance(how, str) and how.startswith(_MEAN_OF):
            self._new_rows = data.item_groups(how.removeprefix(_MEAN_OF))
        elif self._is_projection:
            vectors_of_projection(data.spec, how.removeprefix(PROJECTION_OF))
        elif how != INITIALIZER:
            raise ValueError(
                f'`new_rows` must be "{INITIALIZER}", or "{_MEAN_OF}" and the name of a feature, '
                f'such as "{_MEAN_OF}category", or "{PROJECTION_OF}" and the name of a Vector. '
                f"Received: new_rows={how!r}."
            )

    def arguments(self, index: int) -> dict[str, Any]:
        """Returns arguments of `grow` before the model learns from an appended day."""
        counts = self._counts_before(index) if self._is_projection else None
        return {"new_rows": self._new_rows, "counts": counts}

    def _counts_before(self, index: int) -> dict[str, np.ndarray]:
        """Returns how often each row was read in the training part and the days before a day."""
        if not self._counts:
            self._counts.append(self._data.feature_counts("train"))
        while len(self._counts) <= index:
            of_day = self._data.day(len(self._counts) - 1).feature_counts("train")
            before = self._counts[-1]
            self._counts.append({name: before[name] + of_day[name] for name in before})
        return self._counts[index]

    def print_starts(self, day: int, starts: dict) -> None:
        """Prints how many rows of the new values of a day start which way.

        Args:
            day: The number of the day.
            starts: The second result of `keras_din.growth.grow_with_starts`, which has the values
                of later days too. Their rows start again on their day.
        """
        for name, (start, new) in starts.items():
            state = self._data.vocabularies.get(name)
            new = new[state.since[new] == day] if state is not None else new
            print(f"day {day}: {describe_start(name, start, new)}", flush=True)
