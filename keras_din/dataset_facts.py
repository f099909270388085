"""The spec, groups and rate of negatives of a dataset, found even after `take`, `map` and so on.

`keras_din.data.dataset` sets the attributes `spec` and `groups`. `PreparedData.dataset` also sets
`negative_rate`. A transformation such as `take` returns a new object without these attributes.
"""

__all__ = ["groups_of", "negative_rate_of", "spec_of"]

_NONE = object()


def spec_of(dataset):
    """Returns the `FeatureSpec` of a dataset, or `None` if this library did not create it.

    If a transformation changes the names of the inputs, the spec is `None` too.
    """
    return _attribute(
        dataset, "spec", None, lambda source: _input_names(source) == _input_names(dataset)
    )


def negative_rate_of(dataset) -> float:
    """Returns the fraction of negatives that downsampling kept, or 1 without downsampling."""
    return _attribute(dataset, "negative_rate", 1.0)


def groups_of(dataset):
    """Returns the group of each row, or `None` if the dataset was created without groups.

    Raises:
        ValueError: If the dataset has lost its groups because it was shuffled or transformed.
    """
    groups = getattr(dataset, "groups", None)
    if groups is not None:
        return groups
    has_spec = _attribute(dataset, "spec", None) is not None
    if not has_spec and _attribute(dataset, "groups", None) is None:
        return None
    how = "shuffled" if hasattr(dataset, "groups") else "transformed"
    raise ValueError(
        "`dataset` must have its attribute `groups`, which the GAUC requires. Pass "
        '`data.dataset("valid")` without shuffling and without transformations (`take`, `map`, '
        "`prefetch`, ...), or pass the group of each row as `groups=...`, or `groups=False` to "
        f"compute no GAUC. Received: a dataset that was {how}, {type(dataset).__name__}."
    )


def _attribute(dataset, name: str, default, is_valid=lambda source: True):
    """Returns an attribute of a dataset, or of the nearest dataset that it was created from."""
    seen, queue = set(), [dataset]
    while queue:
        dataset = queue.pop(0)
        found = getattr(dataset, name, _NONE)
        if found is not _NONE and is_valid(dataset):
            return found
        # Only datasets of `tf.data` have this method. It returns the datasets that they read.
        inputs = getattr(dataset, "_inputs", None)
        if callable(inputs) and hasattr(dataset, "element_spec") and id(dataset) not in seen:
            seen.add(id(dataset))
            queue += inputs()
    return default


def _input_names(dataset) -> list | None:
    """Returns the names of the inputs in a dataset of `(x, y)` or of `x`."""
    spec = getattr(dataset, "element_spec", None)
    x = spec[0] if isinstance(spec, tuple) else spec
    return sorted(x) if isinstance(x, dict) else None
