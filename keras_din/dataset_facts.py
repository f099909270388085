"""The spec, groups, rate of negatives and worker of a dataset, also after `take`, `map` and so on.

`keras_din.data.dataset` sets the attributes `spec`, `groups` and `batch_part`.
`PreparedData.dataset` also sets `negative_rate` and `worker`. A transformation such as `take`
returns a new object without these attributes. So the functions of this module search the datasets
that a dataset was created from:

- the inputs of each transformation, also the several of `concatenate`, `zip`,
  `sample_from_datasets` and `choose_from_datasets`;
- for `flat_map` and `interleave`, the datasets that their function creates with
  `data.dataset(...)`, or that it finds in a variable, in a list or dict, or in an attribute of an
  object.

A Python generator and a file that `Dataset.save` wrote hide their source. Set the attributes of
such a dataset: `dataset.spec = data.spec`, `dataset.negative_rate = data.negative_rate`. Attributes
of a dataset always replace those of its sources.
"""

import inspect
from typing import Any

__all__ = [
    "GROUP",
    "batch_part_of",
    "groups_of",
    "negative_rate_of",
    "record_in_graph",
    "spec_of",
    "specs_of",
    "worker_of_rows",
]

# The entry of `x` that has the group of each row, for losses that rank. No feature has this name.
GROUP = "_group"
_NONE = object()
_RECORDED = "_keras_din_datasets"


def spec_of(dataset):
    """Returns the `FeatureSpec` of a dataset, or `None` if this library did not create it.

    If a transformation changes the names of the inputs, the spec is `None` too. Of several sources
    it is the first one's, see `specs_of`.
    """
    return next(iter(specs_of(dataset)), None)


def specs_of(dataset) -> list:
    """Returns the distinct `FeatureSpec`s of the sources of a dataset."""
    names = _input_names(dataset)
    found = _attributes(dataset, "spec", lambda source: _input_names(source) == names)
    return list({id(spec): spec for spec in found}.values())


def negative_rate_of(dataset) -> float:
    """Returns the fraction of negatives that downsampling kept, or 1 without downsampling.

    Raises:
        ValueError: If the dataset was created from several datasets with different rates. The
            click rate of such a mixture depends on how they were mixed.
    """
    rates = list(dict.fromkeys(_attributes(dataset, "negative_rate")))
    if len(rates) > 1:
        raise ValueError(
            "A dataset must have one rate of negatives. Downsample all parts of it with one rate, "
            "`data.downsample_negatives(rate)`; or, if you know the fraction of the log's "
            "negatives in it, set `dataset.negative_rate`. "
            f"Received: a dataset of several sources with the rates {', '.join(map(str, rates))}."
        )
    return rates[0] if rates else 1.0


def worker_of_rows(dataset) -> tuple[int, int]:
    """Returns the `(index, count)` of `load_shards` that a dataset was created from, or `(0, 1)`.

    Raises:
        ValueError: If the dataset was created from data of different workers.
    """
    return _one_pair(dataset, "worker", "data of one worker")


def batch_part_of(dataset) -> tuple[int, int]:
    """Returns the argument `shard` of a dataset: `(index, count)`, or `(0, 1)` for whole batches.

    Raises:
        ValueError: If the dataset was created from datasets with different parts.
    """
    return _one_pair(dataset, "batch_part", "batches with one `shard`")


def _one_pair(dataset, name: str, required: str) -> tuple[int, int]:
    pairs = list(dict.fromkeys(_attributes(dataset, name)))
    if len(pairs) > 1:
        raise ValueError(
            f"A dataset must be made of {required}. Received: several sources, of "
            f"{' and '.join(map(str, pairs))}."
        )
    return pairs[0] if pairs else (0, 1)


def groups_of(dataset):
    """Returns the group of each row, or `None` if the dataset was created without groups.

    Raises:
        ValueError: If the dataset has lost its groups because it was shuffled or transformed.
    """
    groups = getattr(dataset, "groups", None)
    if groups is not None:
        return groups
    has_groups = any(each is not None for each in _attributes(dataset, "groups"))
    if not has_groups and not _attributes(dataset, "spec"):
        return None
    how = "shuffled" if hasattr(dataset, "groups") else "transformed"
    raise ValueError(
        "`dataset` must have its attribute `groups`, which the GAUC requires. Pass "
        '`data.dataset("valid")` without shuffling and without transformations (`take`, `map`, '
        "`prefetch`, ...), or pass the group of each row as `groups=...`, or `groups=False` to "
        f"compute no GAUC. Received: a dataset that was {how}, {type(dataset).__name__}."
    )


def record_in_graph(dataset, graph) -> None:
    """Records a dataset that is created in the graph of a function, for example of `flat_map`."""
    setattr(graph, _RECORDED, [*getattr(graph, _RECORDED, []), dataset])


def _attributes(dataset, name: str, is_valid=lambda source: True) -> list:
    """Returns an attribute of a dataset, or of the nearest datasets that it was created from."""
    found, seen, queue = [], {}, [dataset]
    while queue:
        source = queue.pop(0)
        if id(source) in seen:
            continue
        seen[id(source)] = source  # A reference, so that no other object gets this id.
        value = getattr(source, name, _NONE)
        if value is not _NONE and is_valid(source):
            found.append(value)
        else:
            queue += _sources(source)
    return found


def _sources(dataset) -> list:
    """Returns the datasets that a transformation reads."""
    inputs = getattr(dataset, "_inputs", None)
    if not callable(inputs) or not hasattr(dataset, "element_spec"):
        return []  # Only datasets of `tf.data` have both.
    return [*inputs(), *_sources_in_function(dataset)]


def _sources_in_function(dataset) -> list:
    """Returns the datasets that the function of `flat_map` or `interleave` reads."""
    mapped: Any = getattr(dataset, "_map_func", None)
    if type(getattr(mapped, "output_structure", None)).__name__ != "DatasetSpec":
        return []
    recorded = getattr(mapped.function.graph, _RECORDED, [])
    captured = set(map(id, mapped.function.captured_inputs))
    return recorded + [
        value
        for value in _values_in_reach(getattr(mapped, "_func", None))
        if id(getattr(value, "_variant_tensor", None)) in captured
    ]


def _values_in_reach(function) -> list:
    """Returns the values of a function's variables, and what they contain."""
    if not inspect.isroutine(function):
        return []
    variables = inspect.getclosurevars(function)
    values = [*variables.nonlocals.values(), *variables.globals.values()]
    values.append(getattr(function, "__self__", None))
    for value in list(values):
        if isinstance(value, (list, tuple)):
            values += value
        elif isinstance(value, dict):
            values += value.values()
        elif not inspect.ismodule(value):
            values += getattr(value, "__dict__", {}).values()
    return values


def _input_names(dataset) -> list | None:
    """Returns the names of the inputs in a dataset of `(x, y)` or of `x`."""
    spec = getattr(dataset, "element_spec", None)
    x = spec[0] if isinstance(spec, tuple) else spec
    return sorted(set(x) - {GROUP}) if isinstance(x, dict) else None
