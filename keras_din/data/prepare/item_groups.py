"""The group of each item, such as its category, from the rows and behaviors of prepared data."""

import numpy as np

from keras_din.features import NUM_RESERVED, FeatureSpec


def item_groups(spec: FeatureSpec, days: list, group: str) -> dict[str, np.ndarray]:
    """Finds the group of each item, for `new_rows` of `keras_din.grow`.

    An item that has several groups gets the last one.

    Args:
        spec: The features. The item is the first feature of the target.
        days: `(behaviors, parts)` of the base data and of each day, the oldest first: name of the
            sequence -> `BehaviorLog`, and name of the part -> `Samples`.
        group: Name of another feature of the target with one index per item, a `Categorical`.

    Returns:
        Name of the item's table -> int64 `(vocabulary_size,)`: the index of each item's group, -1
        for an item without rows and for an unknown group.

    Raises:
        ValueError: If `group` is not such a feature.
    """
    item, *others = [f for f in spec.target if f.has_column and f.table is not None and not f.axes]
    if group not in [each.name for each in others]:
        raise ValueError(
            "The group of an item must be another feature of the target with one index per item, "
            f"one of {[each.name for each in others]}. Received: {group!r}."
        )
    groups = np.full(item.table.values.size, -1, np.int64)
    for behaviors, parts in days:
        for rows in (*behaviors.values(), *parts.values()):
            if {item.name, group} <= rows.columns.keys():
                groups[rows.columns[item.name]] = rows.columns[group]
    groups[groups < NUM_RESERVED] = -1
    return {item.table.name: groups}
