"""What a dataset of this library knows of its rows, also after transformations of `tf.data`.

`keras_din.data.dataset` sets the attributes `spec` and `groups`, `PreparedData.dataset` also
`negative_rate`. A transformation such as `take` returns another object, without them.
"""

_NONE = object()


def spec_of(dataset):
    """The `FeatureSpec` of a dataset, `None` of one that is not of this library.

    A transformation that gives the inputs other names is another dataset.
    """
    return _fact(dataset, "spec", None, lambda before: _names(before) == _names(dataset))


def negative_rate_of(dataset) -> float:
    """The rate of negatives that were kept when the data was thinned; 1 where it was not."""
    return _fact(dataset, "negative_rate", 1.0)


def groups_of(dataset):
    """The group of each row, or `None` where a dataset never had them.

    Raises:
        ValueError: When the dataset was shuffled, or transformed, and so has lost its groups.
    """
    groups = getattr(dataset, "groups", None)
    if groups is not None:
        return groups
    of_library = _fact(dataset, "spec", None) is not None
    if not of_library and _fact(dataset, "groups", None) is None:
        return None
    how = "shuffled" if hasattr(dataset, "groups") else "transformed"
    raise ValueError(
        "`dataset` must still have its groups, by which the GAUC is computed: pass "
        '`data.dataset("valid")` as it is, neither shuffled nor transformed (`take`, `map`, '
        "`prefetch`, ...); or the group of each of its rows, `groups=...`; or `groups=False`, for "
        f"no GAUC. Received: a dataset that was {how}, {type(dataset).__name__}."
    )


def _fact(dataset, name: str, default, is_same=lambda before: True):
    """An attribute of a dataset, or of the nearest one that it was made from."""
    seen, some = set(), [dataset]
    while some:
        dataset = some.pop(0)
        found = getattr(dataset, name, _NONE)
        if found is not _NONE and is_same(dataset):
            return found
        # The datasets that one of `tf.data` reads; anything else has no such method.
        inputs = getattr(dataset, "_inputs", None)
        if callable(inputs) and hasattr(dataset, "element_spec") and id(dataset) not in seen:
            seen.add(id(dataset))
            some += inputs()
    return default


def _names(dataset) -> list | None:
    """The names of the inputs in a dataset of `(x, y)`, or of `x`."""
    spec = getattr(dataset, "element_spec", None)
    x = spec[0] if isinstance(spec, tuple) else spec
    return sorted(x) if isinstance(x, dict) else None
