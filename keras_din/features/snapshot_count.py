"""`SnapshotCount`: a `Count` whose values an exported version contains."""

import dataclasses
from typing import Any, ClassVar

from keras_din.features.count import Count
from keras_din.features.kind import register_kind
from keras_din.features.values import Values


@register_kind
@dataclasses.dataclass(frozen=True, repr=False)
class SnapshotCount(Count):
    """A `Count` of known items or categories at one time, for an exported version.

    `PreparedData.count_snapshots` makes it, and `keras_din.export` puts it into a version. The
    version has no input of it: it looks the value up by the index of the key.

    Args:
        key: Name of the feature with the key, in the same place of the spec.
        taken_at: The time of the snapshot, microseconds since 1970: all rows before it count.
        values: float32 `(vocabulary_size,)`, the value for each index of the key, or `None` in a
            spec that was read from JSON.
        key_values: The `Values` of the key's table, or `None` in a spec that was read from JSON.
    """

    key: str = dataclasses.field(kw_only=True)
    taken_at: int = dataclasses.field(kw_only=True)
    values: Any = dataclasses.field(default=None, compare=False, kw_only=True)
    key_values: Values | None = dataclasses.field(default=None, compare=False, kw_only=True)
    from_snapshot: ClassVar[bool] = True

    def check_spec(self, spec: Any, info: Any) -> None:
        super().check_spec(spec, info)
        place = spec.context if info.role == "context" else spec.target
        found = {feature.name: feature for feature in place}.get(self.key)
        if found is None or found.table is None or found.axes:
            raise ValueError(
                f"`key` of {self!r} must be a feature of `{info.role}` with one index per value. "
                f"Received: key={self.key!r}."
            )
        if self.key_values is not None and found.table.values != self.key_values:
            raise ValueError(
                f"The snapshot of {self!r} must have the values of {self.key!r} in the spec. "
                "Received: one of other data. Make it from the data that the model learned from."
            )

    @classmethod
    def of_count(cls, count: Count, key: str, taken_at: int, **values: Any) -> "SnapshotCount":
        """Creates the snapshot of a feature. The arguments are those of the class."""
        return cls(**_arguments(count), key=key, taken_at=taken_at, **values)

    def as_count(self) -> Count:
        """Returns the `Count` that it is a snapshot of."""
        return Count(**_arguments(self))

    def to_dict(self) -> dict:
        entry = super().to_dict()
        return {k: v for k, v in entry.items() if k not in ("values", "key_values")}


def _arguments(count: Count) -> dict:
    return {f.name: getattr(count, f.name) for f in dataclasses.fields(Count) if f.init}


def without_snapshots(features: Any) -> tuple:
    """Returns features with a `Count` instead of each `SnapshotCount`."""
    return tuple(f.as_count() if isinstance(f, SnapshotCount) else f for f in features)
